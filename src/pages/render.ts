// From a page to the bytes of an answer; `v1-html` and `html` are the same bytes.

import type { RenderOptions } from '../index/render-options.ts';
import type { PageFormat } from './negotiate.ts';
import type { ProjectDetail, ProjectList } from './page.ts';
import { detailHtml, listHtml } from './render-html.ts';
import { detailJson, listJson } from './render-json.ts';

export function renderProjectDetail(page: ProjectDetail, format: PageFormat, options: RenderOptions): Buffer {
  // PEP 792: of a quarantined project no file is offered, not even when upstream's page still does.
  const shown = page.status?.status === 'quarantined' ? { ...page, files: [] } : page;
  return Buffer.from(format === 'json' ? detailJson(shown, options) : detailHtml(shown, options));
}

export function renderProjectList(list: ProjectList, format: PageFormat): Buffer {
  return Buffer.from(format === 'json' ? listJson(list) : listHtml(list));
}
