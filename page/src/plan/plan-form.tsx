import type { JSX } from 'preact';
import { Choice, NumberInput } from '../inputs.js';
import { hasCosts } from '../settings/command.js';
import { PLAN_FIELDS, type PlanFieldName, type PlanSettings } from '../settings/fields.js';
import type { PlanAnswer } from '../worker/messages.js';

/** The settings of a plan. Empty inputs have the default, which they show. */
export function PlanForm({
  settings,
  answer,
  onChange,
}: {
  readonly settings: PlanSettings;
  readonly answer: PlanAnswer | null;
  readonly onChange: (settings: PlanSettings) => void;
}): JSX.Element {
  const set =
    <N extends PlanFieldName>(name: N) =>
    (value: PlanSettings[N] | string | undefined): void => {
      const { [name]: _, ...rest } = settings;
      onChange((value === undefined ? rest : { ...rest, [name]: value }) as PlanSettings);
    };
  const limits = answer?.limits;
  const fallback = (name: PlanFieldName, value: number | undefined): number | null =>
    settings[name] === undefined ? (value ?? null) : null;
  return (
    <form class="panel" onSubmit={(event) => event.preventDefault()}>
      <h2>Settings</h2>
      <NumberInput
        label="Graphs"
        hint="At most so many. Empty: as many as lose 0.1 % of the time or less."
        value={settings.graphs}
        fallback={fallback('graphs', answer?.document.graphs)}
        {...bounds('graphs')}
        slider={{ most: 128 }}
        onChange={set('graphs')}
      />
      <NumberInput
        label="Sequences"
        hint="Most requests of a rank in one step."
        value={settings.seqs}
        fallback={fallback('seqs', limits?.maxNumSeqs)}
        {...bounds('seqs')}
        slider={{ most: 2048, doubling: true }}
        onChange={set('seqs')}
      />
      <NumberInput
        label="Batched tokens"
        hint="Most tokens of a rank in one step."
        value={settings.tokens}
        fallback={fallback('tokens', limits?.maxNumBatchedTokens)}
        {...bounds('tokens')}
        slider={{ most: 65536, doubling: true }}
        onChange={set('tokens')}
      />
      <NumberInput
        label="Ranks"
        hint="Data-parallel ranks, which take each step together."
        value={settings.ranks}
        fallback={fallback('ranks', answer?.ranks)}
        {...bounds('ranks')}
        slider={{ most: 16 }}
        onChange={set('ranks')}
      />
      <NumberInput
        label="Tokens of a decode"
        hint="1, and as many more as drafts are checked."
        value={settings.query}
        fallback={fallback('query', limits?.queryLen)}
        {...bounds('query')}
        slider={{ most: 8 }}
        onChange={set('query')}
      />
      <Choice
        label="GPU"
        none="not known: a size costs its tokens"
        value={settings.gpu}
        options={PLAN_FIELDS.gpu.of}
        onChange={set('gpu')}
      />
      <Choice
        label="Model"
        none="not known"
        value={settings.model}
        options={PLAN_FIELDS.model.of}
        onChange={set('model')}
      />
      {settings.gpu !== undefined && !hasCosts(settings) && <small>Times need a GPU and a model.</small>}
      {hasCosts(settings) && (
        <NumberInput
          label="GPUs of a rank"
          hint="Tensor parallel size."
          value={settings.tp}
          fallback={fallback('tp', 1)}
          {...bounds('tp')}
          slider={{ most: 16 }}
          onChange={set('tp')}
        />
      )}
      <Choice
        label="Best for"
        none="what was seen and what may come"
        value={settings.objective}
        options={['seen']}
        onChange={set('objective')}
      />
      <Choice
        label="Policy"
        none={answer === null ? 'default' : `default (${answer.engine === null ? 'lockstep' : answer.policy})`}
        value={settings.policy}
        options={PLAN_FIELDS.policy.of}
        onChange={set('policy')}
      />
      <NumberInput
        label="Micro-batches"
        hint="Parts that a step may be cut into."
        value={settings.ubatches}
        fallback={fallback('ubatches', 1)}
        {...bounds('ubatches')}
        slider={{ most: 4 }}
        onChange={set('ubatches')}
      />
      <button type="button" onClick={() => onChange({})}>
        All defaults
      </button>
    </form>
  );
}

function bounds(name: PlanFieldName): { least: number; most: number } {
  const { least, most } = PLAN_FIELDS[name] as { readonly least: number; readonly most: number };
  return { least, most };
}
