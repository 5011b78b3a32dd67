// Values that are right each for itself and wrong together.

import { OPTIONS } from './options.ts';
import type { Problem } from './problems.ts';
import type { ReadSettings } from './settings.ts';

/** Options that are right alone and wrong together. */
export function contradictions({ settings, sources, file }: ReadSettings): Problem[] {
  const problems: Problem[] = [];
  if (settings.diskQuota <= settings.freeSpaceFloor) {
    const floor = OPTIONS.freeSpaceFloor.unit.format(settings.freeSpaceFloor);
    const value = OPTIONS.diskQuota.unit.format(settings.diskQuota);
    const cure = `expected more than free_space_floor, which is ${floor}`;
    problems.push({ key: 'disk_quota', value, source: sources.diskQuota, cure });
  }
  if (settings.redisSecret !== undefined && sources.redisUrl === 'unset') {
    const cure = 'has no effect without redis.url; set both or none';
    problems.push({ key: 'redis.secret', value: undefined, source: sources.redisSecret, cure });
  }
  const { adminListen, host, port } = settings;
  if (adminListen !== undefined && adminListen.port === port && port !== 0 && adminListen.host === host) {
    const value = OPTIONS.adminListen.unit.format(adminListen);
    const cure = 'is the address of host and port as well; expected another port';
    problems.push({ key: 'admin_listen', value, source: sources.adminListen, cure });
  }
  if (settings.uploadUrl !== undefined) {
    const problem = { key: 'upload_url', value: settings.uploadUrl, source: sources.uploadUrl };
    if (file?.structures.indexes) {
      problems.push({ ...problem, cure: 'cannot go with indexes; set upload_url of the index that takes uploads' });
    } else if (!settings.uploads) problems.push({ ...problem, cure: 'has no effect by itself; set uploads to true' });
  }
  if (settings.uploads && settings.clientsFile !== undefined) {
    const cure = 'cannot go with clients_file: an upload proves to the index who sends it, and could not to us as well';
    problems.push({ key: 'uploads', value: 'true', source: sources.uploads, cure });
  }
  const { basePath, publicUrl } = settings;
  if (settings.absoluteLinks && publicUrl === undefined) {
    const cure = 'has no effect without public_url; set it to the address by which clients know this server';
    problems.push({ key: 'absolute_links', value: 'true', source: sources.absoluteLinks, cure });
  }
  if (basePath !== undefined && publicUrl !== undefined && !publicUrl.endsWith(`${basePath}/`)) {
    const cure = `expected an address that ends in base_path, which is ${basePath}`;
    problems.push({ key: 'public_url', value: publicUrl, source: sources.publicUrl, cure });
  }
  return problems;
}
