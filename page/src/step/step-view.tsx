import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { useAnswer } from '../answers.js';
import type { Client } from '../client.js';
import { Choice, NumberInput } from '../inputs.js';
import { Copyable, Fault } from '../parts.js';
import { type BatchSettings, MOST } from '../settings/batch-settings.js';
import { PLAN_FIELDS } from '../settings/fields.js';
import type { StepAnswer } from '../worker/messages.js';
import { BatchEditor } from './batch-editor.js';
import { StepOutcome } from './step-outcome.js';
import { Tensors } from './tensors.js';

/** A batch a rank, edited by hand; what the ranks vote, decide and prepare, whenever one changes. */
export function StepView({
  client,
  settings,
  onChange,
}: {
  readonly client: Client;
  readonly settings: BatchSettings;
  readonly onChange: (settings: BatchSettings) => void;
}): JSX.Element {
  const { answer, fault, busy } = useAnswer(client, 'step', settings, { subject: 'step', settings, restMs: 60 });
  const before = useBefore(answer);
  const { ranks } = settings;
  return (
    <div class="step">
      <section aria-label="Batches" class="side">
        <h2>One step, by hand</h2>
        <p>Change what a rank holds, and see what all of them do. What changed is marked.</p>
        {ranks.map((groups, rank) => (
          <BatchEditor
            key={rank}
            rank={rank}
            groups={groups}
            removable={ranks.length > 1}
            onChange={(own) =>
              onChange({
                ...settings,
                ranks:
                  own === null
                    ? ranks.filter((_, at) => at !== rank)
                    : ranks.map((old, at) => (at === rank ? own : old)),
              })
            }
          />
        ))}
        <button
          type="button"
          disabled={ranks.length >= MOST.ranks}
          onClick={() => onChange({ ...settings, ranks: [...ranks, []] })}
        >
          Add a rank
        </button>
        <Rules settings={settings} onChange={onChange} />
      </section>
      <section aria-label="What the ranks do" class="results" aria-busy={busy}>
        <Fault message={fault} />
        {answer !== null && (
          <>
            <StepOutcome answer={answer} before={before} />
            <Tensors answer={answer} before={before} />
            <h3>Take it along</h3>
            <Copyable
              name="the document for lockstep explain"
              text={`echo '${JSON.stringify(answer.document)}' | lockstep explain ${explainOptions(settings)}`}
            />
          </>
        )}
      </section>
    </div>
  );
}

/** The answer before this one, for what changed. */
function useBefore(answer: StepAnswer | null): StepAnswer | null {
  const seen = useRef<{ now: StepAnswer | null; before: StepAnswer | null }>({ now: null, before: null });
  if (seen.current.now !== answer) seen.current = { now: answer, before: seen.current.now };
  return seen.current.before;
}

function explainOptions({ ladder, policy, ubatches, queryLen }: BatchSettings): string {
  return [
    ...['--ladder', ladder, '--policy', policy, '--query-len', `${queryLen}`],
    ...(ubatches > 1 ? ['--ubatches', `${ubatches}`] : []),
  ].join(' ');
}

/** What decides about the batches. */
function Rules({
  settings,
  onChange,
}: {
  readonly settings: BatchSettings;
  readonly onChange: (settings: BatchSettings) => void;
}): JSX.Element {
  return (
    <form class="panel" onSubmit={(event) => event.preventDefault()}>
      <h3>Graphs and rules</h3>
      <div class="field">
        <label for="ladder">Captured sizes, or an engine's list</label>
        <input
          id="ladder"
          type="text"
          value={settings.ladder}
          onInput={({ currentTarget }) => onChange({ ...settings, ladder: currentTarget.value })}
        />
      </div>
      <Choice
        label="Policy"
        value={settings.policy}
        options={PLAN_FIELDS.policy.of}
        onChange={(policy = 'lockstep') => onChange({ ...settings, policy })}
      />
      <NumberInput
        label="Micro-batches"
        value={settings.ubatches}
        {...{ fallback: 1, least: 1, most: 4, slider: { most: 4 } }}
        onChange={(ubatches = 1) => onChange({ ...settings, ubatches })}
      />
      <NumberInput
        label="Tokens of a decode"
        value={settings.queryLen}
        {...{ fallback: 1, least: 1, most: 64, slider: { most: 8 } }}
        onChange={(queryLen = 1) => onChange({ ...settings, queryLen })}
      />
    </form>
  );
}
