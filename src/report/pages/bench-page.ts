import type { BenchSummary } from '../../bench/index.js';
import { grouped } from '../../text.js';
import { benchRowsData } from '../plots/index.js';
import type { ReportPage } from '../report-page.js';
import type { Printed } from './plan-page.js';

/** The page of a bench. */
export function benchPage(summary: BenchSummary, { text, json }: Printed): ReportPage {
  const { cases, rounds, peer, interrupted, device } = summary;
  return {
    title: 'lockstep bench',
    lead: `${cases.length === 1 ? 'One row' : `${cases.length} rows`} in ${rounds === 1 ? 'one round' : `${grouped(rounds)} rounds`}${interrupted ? ', interrupted' : ''}.`,
    facts: [
      { name: 'Rows', value: grouped(cases.length) },
      { name: 'Rounds', value: grouped(rounds), beside: 'times are their medians' },
      {
        name: 'Beside',
        value: device === undefined ? (peer === null ? 'no numpy' : 'numpy') : device.choice.split(',')[0],
      },
    ],
    figures: [
      {
        kind: 'bench-rows',
        title: 'Time of each row',
        text: "How long a piece of work takes, beside the machine's limit for the same bytes, and beside numpy where it does the same.",
        source: benchRowsData(summary),
      },
    ],
    tables: [],
    text,
    json,
  };
}
