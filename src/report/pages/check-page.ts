import { type CheckReport, PROPERTY_MEANINGS } from '../../check/index.js';
import { grouped, shortNumber } from '../../text.js';
import { type Figure, sequenceData } from '../plots/index.js';
import type { ReportPage } from '../report-page.js';
import type { Printed } from './plan-page.js';

/** The page of a check: what holds, and each counterexample as a diagram. */
export function checkPage(report: CheckReport, { text, json }: Printed): ReportPage {
  const { policy, ranks, states, seconds, complete, properties, violations, domain } = report;
  const violated = new Map(violations.map((violation) => [violation.property, violation]));
  const figures = violations.map(
    (violation): Figure => ({
      kind: 'sequence',
      title: `Counterexample to ${violation.property}`,
      text: `${violation.property}: ${PROPERTY_MEANINGS[violation.property]}. The shortest way to violate it, on ${violation.ranks === 1 ? 'one rank' : `${violation.ranks} ranks`}: time goes down, one lane a rank.`,
      source: sequenceData(violation),
    }),
  );
  const held = properties.length - violations.length;
  return {
    title: 'lockstep check',
    lead: `Policy ${policy}: ${violations.length === 0 ? (complete ? 'every property holds' : 'no violation was seen') : `${violations.length} of ${properties.length} properties violated`}.`,
    facts: [
      { name: complete ? 'Properties that hold' : 'Not seen violated', value: `${held} of ${properties.length}` },
      { name: 'States explored', value: grouped(states), beside: complete ? 'all of them' : 'not all: interrupted' },
      {
        name: 'Ranks',
        value: `up to ${ranks}`,
        beside: domain.replicaSize > 1 ? `in replicas of ${domain.replicaSize}` : 'each with a batch of its own',
      },
      {
        name: 'Domain',
        value: `${grouped(domain.localStates)} states`,
        beside: `of a rank, ${grouped(domain.keys)} keys`,
      },
      { name: 'Took', value: `${shortNumber(seconds)} s` },
    ],
    figures,
    tables: [
      {
        title: 'Properties',
        text: 'What was explored in every state.',
        table: {
          columns: ['property', 'verdict', 'says'],
          rows: properties.map((property) => [
            property,
            violated.has(property) ? 'violated' : complete ? 'holds' : 'not seen violated',
            PROPERTY_MEANINGS[property],
          ]),
        },
      },
    ],
    text,
    json,
  };
}
