// A page of 40,000 files arrives and is rendered while others ask for a hot page: how long does the unluckiest wait?

import { type Bench, PAGE_FIELDS } from '../bench-context.ts';
import { startCrowd } from '../crowd/crowd.ts';
import { figure, percentile } from '../figures.ts';
import { startWheelkeep } from '../servers.ts';
import { steadyLoad } from '../steady-load.ts';
import { projectName } from '../upstream/projects.ts';

const WORK = '40,000-file page arriving';
const PER_SECOND = 250;
const SECONDS = 6;
const LONGEST_MS = 50;

export async function arriving(bench: Bench): Promise<void> {
  bench.say(WORK);
  const { stage, upstream, report } = bench;
  const server = await startWheelkeep(stage, { upstream: upstream.origin });
  const crowd = startCrowd(stage);
  const hot = { urls: [`${server.url}/simple/${projectName(25, 51_200, 'beside')}/`], fields: PAGE_FIELDS };
  await steadyLoad({ ...hot, perSecond: PER_SECOND, seconds: 2 });

  const quiet: number[] = [];
  const disturbed: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    const large = projectName(40_000, 51_200, `arriving-${round}`);
    // The upstream makes its page beforehand: its processor time is not what is measured.
    await crowd.download({ url: `${upstream.origin}/simple/${large}/`, fields: PAGE_FIELDS, clients: 1, hashed: 0 });
    quiet.push(Math.max(...(await steadyLoad({ ...hot, perSecond: PER_SECOND, seconds: SECONDS }))));
    const waits = steadyLoad({ ...hot, perSecond: PER_SECOND, seconds: SECONDS });
    await crowd.download({ url: `${server.url}/simple/${large}/`, fields: PAGE_FIELDS, clients: 1, hashed: 0 });
    disturbed.push(Math.max(...(await waits)));
    bench.step(round + 1, bench.rounds);
  }
  await server.stop();
  report.table(`${WORK}: longest wait of ${PER_SECOND * SECONDS} requests beside it`, [
    { name: 'nothing arriving', cells: { 'longest ms': figure(quiet) } },
    { name: 'arriving', cells: { 'longest ms': figure(disturbed) } },
  ]);
  const undisturbed = percentile(quiet, 0.5);
  report.judge({
    work: WORK,
    what: 'longest wait of another request',
    value: percentile(disturbed, 0.5),
    limit: { atMost: LONGEST_MS },
    unit: ' ms',
    unclear: undisturbed > LONGEST_MS / 2 ? `too noisy: ${undisturbed.toFixed(0)} ms with nothing arriving` : undefined,
  });
}
