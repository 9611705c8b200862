/** Words that stand for one of several things: part of the layout, which exports them. */

/** Named values, the same in all three languages. A name's value is its number. */
export const ENUMS = {
  CONTROL: { run: 0, leave: 1, fault: 2 },
  PHASE: { idle: 0, decode: 1, prefill: 2, mixed: 3 },
  MODE: { none: 0, piecewise: 1, full: 2 },
  KEY_KIND: { decode: 0, mixed: 1, piecewise: 2 },
  RUN: { park: 0, eager: 1, piecewise: 2, full: 3 },
  GATHER: { none: 0, padded: 1, variable: 2, sum: 3 },
  REASON: {
    'all-idle': 0,
    graph: 1,
    'graph-ubatched': 2,
    'plain-twin': 3,
    'plain-only': 4,
    'no-key-for-phase': 5,
    'no-key-for-query-length': 6,
    'above-ladder': 7,
    'no-plain-twin': 8,
    vetoed: 9,
    'enforce-eager': 10,
    'no-key-for-variant': 11,
    leave: 12,
    'graph-mixed': 13,
    'graph-piecewise': 14,
    'above-padding-factor': 15,
    'rank-eager': 16,
    'empty-part': 17,
    'no-ubatched-key': 18,
    'no-exact-key': 19,
  },
  VERDICT: {
    chosen: 0,
    larger: 1,
    variant: 2,
    'query-length': 3,
    tokens: 4,
    requests: 5,
    'prefill-requests': 6,
    phase: 7,
    'not-ubatched': 8,
    'ubatches-not-agreed': 9,
    'padding-factor': 10,
    mode: 11,
    'step-eager': 12,
    'full-preferred': 13,
    'not-exact': 14,
  },
  GRAPH_AGREEMENT: { shape: 0, 'min-mode-padded': 1, 'min-mode': 2 },
  UBATCH_AGREEMENT: { 'busy-wish': 0, 'all-wish': 1, 'min-tokens': 2, 'any-minimum': 3, 'same-phase': 4 },
  LAST_PART: { run: 0, refuse: 1, eager: 2 },
  DECODE_MATCH: { padded: 0, uniform: 1, exact: 2, 'exact-all': 3 },
  MIXED_GRAPHS: { never: 0, 'one-rank': 1, agreed: 2, 'any-step': 3, decodes: 4 },
  MIXED_MATCH: { strict: 0, slots: 1, 'slot-count': 2 },
  EAGER_GATHER: { variable: 0, 'padded-decode': 1, 'max-or-sum': 2, 'own-padded': 3 },
  EAGER_PARTS: { maxima: 0, 'equal-shares': 1 },
  SPLIT: { 'token-share': 0, balanced: 1, 'token-midpoint': 2, 'padded-share': 3 },
  SHARED_BLOCKS: { 'layer-order': 0, veto: 1 },
  RESOURCE: { 'custom-all-gather': 1, 'side-stream': 2, communicator: 4 },
  ON_SHARED_RESOURCE: { serialize: 0, overlap: 1 },
  PART_SIZES: { agreed: 0, local: 1 },
  PREPARE: { decision: 0, local: 1 },
  CAPTURE_GUARD: { all: 0, none: 1 },
  GRAPH_LOOKUP: { agreed: 0, own: 1 },
  IDLE_RANKS: { dummy: 0, return: 1 },
  DUMMIES: { agreed: 0, eager: 1, 'one-token': 2 },
  VETO: { none: 0, 'embeddings-override': 1, 'shared-block': 2, 'cascade-attention': 3, 'encoder-output': 4, other: 5 },
  EMPTY_PART: { dummy: 0, plain: 1 },
  RESOLVE: {
    ok: 0,
    version: -1,
    step: -2,
    plan: -3,
    fault: -4,
    previous: -5,
    limits: -6,
    replica: -7,
    seal: -8,
    decision: -9,
    range: -10,
  },
  EDIT: {
    ok: 0,
    'row-unknown': -1,
    'rows-full': -2,
    'block-invalid': -3,
    'blocks-full': -4,
    'tokens-full': -5,
    'position-beyond-blocks': -6,
    'scheduled-twice': -7,
    'query-length': -8,
    'model-length': -9,
    'row-scheduled': -10,
    'block-written-twice': -11,
    'block-shared': -12,
    'row-not-continued': -13,
    'drafts-accepted': -14,
  },
  COMMAND: { none: 0, upload: 1, 'upload-rows': 2, graph: 3, record: 4, wait: 5, download: 6 },
} as const;

/** Names of an enum by value, for reading words back. */
export function nameOf<E extends keyof typeof ENUMS>(group: E, value: number): keyof (typeof ENUMS)[E] & string {
  const name = nameIn(group, value);
  if (name === null) throw new RangeError(`${group} has no value ${value}`);
  return name;
}

/** The same for words that may be damaged: null for a value without a name. */
export function nameIn<E extends keyof typeof ENUMS>(
  group: E,
  value: number,
): (keyof (typeof ENUMS)[E] & string) | null {
  for (const [name, number] of Object.entries(ENUMS[group])) {
    if (number === value) return name as keyof (typeof ENUMS)[E] & string;
  }
  return null;
}
