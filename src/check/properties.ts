import { PROPERTIES } from '../layout/index.js';

/** A property that `check` explores. */
export type Property = (typeof PROPERTIES)[number];

/** The statement of each property. */
export const PROPERTY_MEANINGS: Readonly<Record<Property, string>> = Object.freeze({
  P1: 'what a rank prepares and runs follows from the table of votes and the plan alone',
  P2: 'no rank waits in a collective that another will never enter, or enters with another shape',
  P3: 'every part has a token on every rank, and parts run on all ranks or on none',
  P4: 'a padded gather moves as many rows from every rank, and a graph holds no other',
  P5: 'every tensor has the size that the step which runs it reads',
  P6: 'a step runs eager only if vetoed, above the ladder or the padding factor, or of a phase without keys',
  P9: "the graph that runs is as it was captured, and its slots hold every rank's batch",
  P10: 'every captured key is reachable: capture, preparation and run ask the same',
  P11: 'parts that overlap share no exclusive resource, and no rank forbids them',
});

export { PROPERTIES };
