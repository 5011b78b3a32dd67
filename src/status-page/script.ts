// The script of the status page, as the browser gets it. It puts the address of the page into the settings, copies
// them, and, given the token, asks the administration for a project. Whatever it shows becomes text, never markup.

import { EVENT_WEIGHTS } from './events.ts';

/** The script of the page. */
export const SCRIPT = `'use strict';
(() => {
  // Kept nowhere but here: another document of this origin can read every storage and every cookie of it, and no closure.
  let token;
  const WEIGHTS = ${JSON.stringify(EVENT_WEIGHTS)};
  const CLOSED = 'The server in front of Wheelkeep does not pass this on. Open the page at the address of Wheelkeep itself.';
  const base = new URL('.', location.href);
  const byId = (id) => document.getElementById(id);
  const say = (text) => { byId('said').textContent = text; };
  const make = (name, text, ...children) => {
    const element = document.createElement(name);
    element.textContent = text;
    element.append(...children);
    return element;
  };

  // The settings, for the address that this browser used.
  const isLoopback = base.hostname === 'localhost' || base.hostname === '[::1]' || /^127\\./.test(base.hostname);
  // A quote would end the one around it in a shell.
  const index = new URL('simple/', base).href.replaceAll("'", '%27');
  for (const line of document.querySelectorAll('.settings:not([data-elsewhere]) [data-line]')) {
    line.textContent = line.dataset.line.replaceAll('{index}', index).replaceAll('{host}', base.hostname) + '\\n';
    line.hidden = 'plainHttp' in line.dataset && (base.protocol !== 'http:' || isLoopback);
  }
  if (document.querySelector('[data-elsewhere]') === null) byId('gap')?.remove();
  for (const button of document.querySelectorAll('.copy')) {
    const block = button.parentElement.querySelector('pre');
    button.hidden = false;
    button.addEventListener('click', async () => {
      const lines = [...block.querySelectorAll('[data-line]')].filter((line) => !line.hidden);
      try {
        // Browsers have a clipboard over https and on this machine only.
        await navigator.clipboard.writeText(lines.map((line) => line.textContent).join(''));
        button.textContent = 'Copied';
        setTimeout(() => { button.textContent = 'Copy'; }, 2000);
      } catch {
        getSelection().selectAllChildren(block);
        button.textContent = 'Selected: now copy';
      }
    });
  }

  // The administration.
  const showForms = () => {
    const hasToken = token !== undefined;
    byId('token-form').hidden = hasToken;
    byId('unlocked').hidden = !hasToken;
  };
  const forget = () => {
    token = undefined;
    byId('explained').replaceChildren();
    byId('stale').replaceChildren();
    byId('busiest').replaceChildren();
    showForms();
  };
  const ask = async (what) => {
    const used = token;
    const headers = { authorization: 'Bearer ' + used };
    const answer = await fetch(new URL('-/api/' + what, base), { headers, cache: 'no-store' });
    if (answer.status === 401) {
      // It speaks of the token it was asked with: a late answer must not take a later token away.
      if (token === used) forget();
      throw new Error('This is not the token.');
    }
    // Not our own words: a server in front keeps the administration to itself.
    if (!/json/.test(answer.headers.get('content-type'))) throw new Error(CLOSED);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail ?? 'The administration answered ' + answer.status + '.');
    return told;
  };
  let attempts = 0;
  /** Runs what a button asks for; what goes wrong is said, unless something else was asked for since. */
  const attempt = async (action) => {
    const own = ++attempts;
    say('');
    try {
      await action();
    } catch (error) {
      if (own === attempts) say(error.message);
    }
  };
  const clock = (iso) => {
    const time = make('time', iso.slice(0, 19).replace('T', ' ') + ' UTC');
    time.dateTime = iso;
    return time;
  };

  const weighed = (kind) => {
    const word = make('span', kind);
    word.className = WEIGHTS[kind];
    return word;
  };

  const unlock = async () => {
    const [{ events }, { stale, hottest, slowest }] = await Promise.all([ask('events?limit=50'), ask('status')]);
    byId('event-rows').replaceChildren(...events.map(({ at, kind, message, project }) =>
      make('tr', '', make('td', '', clock(at)), make('td', '', weighed(kind)),
        make('td', project === undefined || message.includes(project) ? message : project + ': ' + message))));
    const old = stale.map(({ path, answers, lastAt }) => [path, String(answers), clock(lastAt)]);
    byId('stale').replaceChildren(
      ...(old.length === 0 ? [make('h3', 'Nothing is served stale now')] : []),
      ...tableOf('Served stale now', ['Path', 'Answers', 'Last'], old),
    );
    byId('busiest').replaceChildren(
      ...tableOf('Asked for most in this hour and the last', ['Path', 'Answers'],
        hottest.map(({ path, answers }) => [path, String(answers)])),
      ...tableOf('Slowest in this hour and the last, to the first byte', ['Path', 'Time', 'Outcome'],
        slowest.map(({ path, firstByteMs, outcome }) => [path, firstByteMs + ' ms', outcome])),
    );
    showForms();
  };

  const SHOWN = 10;
  const MOST = 200;
  /** A heading and a table; of many rows most are folded away. */
  const tableOf = (title, columns, rows) => {
    if (rows.length === 0) return [];
    const rest = rows.slice(SHOWN, MOST);
    const more = rest.length + (rows.length > MOST ? ' of ' + (rows.length - SHOWN) + ' more' : ' more');
    return [
      make('h3', title),
      table(columns, rows.slice(0, SHOWN)),
      ...(rest.length === 0 ? [] : [make('details', '', make('summary', more), table(columns, rest))]),
    ];
  };
  const table = (columns, rows) => {
    const head = make('tr', '', ...columns.map((column) => {
      const cell = make('th', column);
      cell.scope = 'col';
      return cell;
    }));
    const cellOf = (cell) => (typeof cell === 'string' ? make('td', cell) : make('td', '', cell));
    const body = rows.map((cells) => make('tr', '', ...cells.map(cellOf)));
    return make('table', '', make('thead', '', head), make('tbody', '', ...body));
  };

  const span = (seconds) => {
    const [size, unit] = [[86400, 'days'], [3600, 'h'], [60, 'min'], [1, 's']].find(([size]) => seconds >= 2 * size) ?? [1, 's'];
    return Math.round(seconds / size) + ' ' + unit;
  };
  const pageFacts = ({ validatedAt, remainingSeconds, url, source, facts }) => {
    const known = {
      'Confirmed by upstream': clock(validatedAt),
      [remainingSeconds > 0 ? 'Fresh for' : 'Stale for']: span(Math.abs(remainingSeconds)),
      Files: facts?.files,
      Versions: facts?.versions,
      Serial: facts?.serial,
      'Status of the project': facts?.status,
      From: url,
      'Sent by': source,
    };
    const list = make('dl', '');
    list.className = 'facts';
    for (const [name, value] of Object.entries(known)) {
      if (value === undefined) continue;
      const fact = make('div', '', make('dt', name), make('dd', '', value));
      fact.className = name === 'From' || name === 'Sent by' ? 'wide' : '';
      list.append(fact);
    }
    return list;
  };
  const explain = async (project) => {
    const told = await ask('explain?project=' + encodeURIComponent(project));
    const where = told.answeredBy === undefined ? 'no index has it here' : 'served by the index ' + told.answeredBy;
    const raw = make('details', '', make('summary', 'All of it'), make('pre', JSON.stringify(told, null, 2)));
    byId('explained').replaceChildren(
      make('h3', told.project + ': ' + where),
      ...told.indexes.flatMap(({ index, verdict, page, trouble }) => [
        make('p', '', make('strong', index + ': '), verdict),
        ...(trouble === undefined ? [] : [make('p', trouble.cause)]),
        ...(page === undefined ? [] : [pageFacts(page)]),
      ]),
      raw,
    );
    say('');
  };

  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    token = byId('token').value.trim();
    byId('token').value = '';
    attempt(async () => {
      await unlock();
      byId('project').focus();
    });
  });
  byId('search').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => explain(byId('project').value.trim()));
  });
  byId('forget').addEventListener('click', () => {
    forget();
    // What the token showed goes with it.
    location.reload();
  });
  showForms();
})();
`;
