import { GPU_MEMORY_GB, policyNames } from 'lockstep/engines';
import { MODELS } from 'lockstep/workload';

/** A number of the settings. */
export interface NumberField {
  readonly kind: 'integer' | 'decimal';
  readonly least: number;
  readonly most: number;
}

/** A choice of the settings. */
export interface ChoiceField {
  readonly kind: 'choice';
  readonly of: readonly string[];
}

/** A text of the settings. */
export interface TextField {
  readonly kind: 'text';
  readonly most: number;
}

/** What a setting may be, and the option of the command line that says it. */
export type Field = (NumberField | ChoiceField | TextField) & { readonly option: string };

const integer = (option: string, least: number, most: number): NumberField & { readonly option: string } => {
  return { kind: 'integer', least, most, option };
};

/**
 * Every setting of a plan by its name, which is its name in a link too. A setting is a number or a text where it was given, and absent
 * where it has its default: that of the launch line, else that of the command line.
 */
export const PLAN_FIELDS = {
  graphs: integer('--graphs', 1, 4096),
  objective: { kind: 'choice', of: ['robust', 'seen'], option: '--objective' },
  seqs: integer('--max-num-seqs', 1, 65536),
  tokens: integer('--max-num-batched-tokens', 1, 4194304),
  length: integer('--max-model-len', 1, 1 << 28),
  query: integer('--query-len', 1, 1024),
  ranks: integer('--ranks', 1, 64),
  gpu: { kind: 'choice', of: Object.keys(GPU_MEMORY_GB), option: '--cost-model' },
  model: { kind: 'choice', of: Object.keys(MODELS), option: '--cost-model' },
  tp: integer('--tensor-parallel-size', 1, 64),
  policy: { kind: 'choice', of: policyNames(), option: '--policy' },
  ubatches: integer('--ubatches', 1, 4),
  engine: { kind: 'text', most: 1 << 15, option: '--engine' },
  requests: integer('--requests', 1, 1000000),
  seed: integer('--seed', 0, 4294967295),
  speed: { kind: 'decimal', least: 1e-6, most: 1e9, option: '--speed' },
} as const satisfies Readonly<Record<string, Field>>;

/** The name of a setting of a plan. */
export type PlanFieldName = keyof typeof PLAN_FIELDS;

type ValueOf<F> = F extends NumberField ? number : string;

/** Settings of a plan that differ from the defaults. */
export type PlanSettings = { readonly [K in PlanFieldName]?: ValueOf<(typeof PLAN_FIELDS)[K]> };

/** The value that a text stands for, or what it must be. */
export function fieldValue(
  field: Field,
  text: string,
): { readonly value: number | string } | { readonly must: string } {
  if (field.kind === 'choice')
    return field.of.includes(text) ? { value: text } : { must: `one of ${field.of.join(', ')}` };
  if (field.kind === 'text')
    return text.length <= field.most ? { value: text } : { must: `at most ${field.most} characters` };
  const value = Number(text);
  const { kind, least, most } = field;
  const fits = text.trim() !== '' && value >= least && value <= most && (kind === 'decimal' || Number.isInteger(value));
  return fits ? { value } : { must: `${kind === 'integer' ? 'a whole number' : 'a number'} from ${least} to ${most}` };
}
