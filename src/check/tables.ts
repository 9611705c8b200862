/** Consecutive tables, of one number of ranks and in one past. */
export interface Slice {
  /** Place of the first one in the order of exploration. */
  readonly first: number;
  readonly count: number;
  /** Whether the step before ran in micro-batches. */
  readonly afterUbatches: boolean;
}

/** Number of tables of `replicas` replicas in `count` states, counted regardless of the order of replicas. */
export function tableCount(count: number, replicas: number): number {
  let total = 1;
  for (let replica = 0; replica < replicas; replica++) total = (total * (count + replica)) / (replica + 1);
  return total;
}

/** The table at `place` in the order of exploration: the states of `replicas` replicas, each at least the one before it. */
export function tableAt(place: number, count: number, replicas: number): number[] {
  const states: number[] = [];
  let before = place;
  let state = 0;
  for (let left = replicas - 1; left >= 0; left--) {
    // Tables that go on with `state` here have it or a later state on each of the replicas that are left.
    for (let tables = tableCount(count - state, left); before >= tables; tables = tableCount(count - state, left)) {
      before -= tables;
      state += 1;
    }
    states.push(state);
  }
  return states;
}
