import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { bytesOf, grouped, percentOf } from '../../../dist/text.js';
import { Copyable, download, seconds, Table, Value } from '../parts.js';
import { planCommand } from '../settings/command.js';
import type { PlanSettings } from '../settings/fields.js';
import type { PlanAnswer } from '../worker/messages.js';

/** A plan: what it comes to, its sizes, the engines beside it, and flags to copy. */
export function PlanResults({
  answer,
  settings,
  file,
}: {
  readonly answer: PlanAnswer;
  readonly settings: PlanSettings;
  readonly file: string | null;
}): JSX.Element {
  const { document: plan } = answer;
  const { ladders } = plan;
  const Plots = usePlots();
  return (
    <>
      <h2>
        {grouped(plan.graphs)} graphs for {grouped(plan.steps)} steps
      </h2>
      <Headline answer={answer} />
      <Notes answer={answer} />
      <h3>Sizes to capture, in tokens</h3>
      <p class="sizes" data-testid="ladder">
        {ladders.decode.join(' ')}
      </p>
      {ladders.ubatched.length > 0 && <p class="sizes">In micro-batches too: {ladders.ubatched.join(' ')}</p>}
      <h3>As your engine's flags</h3>
      {plan.emitted.map(({ engine, flags, note }) => (
        <div key={engine} class="flags">
          <h4>{engine}</h4>
          <Copyable name={`the flags for ${engine}`} text={flags} />
          {note !== null && <p>{note}</p>}
        </div>
      ))}
      <Engines answer={answer} />
      {Plots !== null && <Plots plan={plan} />}
      <h3>Take it along</h3>
      <Copyable name="the command" text={planCommand(settings, file)} />
      <p>
        <button type="button" onClick={() => download('plan.json', answer.planFile)}>
          Save the plan for lockstep run --plan
        </button>{' '}
        <button type="button" onClick={() => download('report.json', `${JSON.stringify(plan)}\n`)}>
          Save all numbers as JSON
        </button>{' '}
        <LinkButton />
      </p>
    </>
  );
}

type Plots = ComponentType<{ readonly plan: PlanAnswer['document'] }>;

/** The plots, which come after the first numbers are there. */
function usePlots(): Plots | null {
  const [plots, setPlots] = useState<{ readonly of: Plots } | null>(null);
  useEffect(() => {
    void import('./plan-plots.js').then(({ PlanPlots }) => setPlots({ of: PlanPlots }));
  }, []);
  return plots?.of ?? null;
}

function LinkButton(): JSX.Element {
  return <Copyable name="a link that holds these settings" text={location.href} />;
}

/** The numbers that decide. */
function Headline({ answer: { document: plan, trace, milliseconds } }: { readonly answer: PlanAnswer }): JSX.Element {
  const facts: readonly (readonly [string, JSX.Element, string])[] = [
    ['padding', <Value key="p" of={plan.paddingRatio} as={percentOf} />, "of the largest rank's tokens"],
    ['padding of all ranks', <Value key="a" of={plan.paddingRatioAll} as={percentOf} />, "of all ranks' tokens"],
    ...(plan.costKnown
      ? [['time lost', <Value key="t" of={plan.timeRatio} as={percentOf} />, `by ${plan.costModel.name}`] as const]
      : []),
    ['eager', <Value key="e" of={plan.eagerSteps} as={grouped} />, 'decode steps'],
    ['memory', <Value key="m" of={plan.graphBytes} as={bytesOf} />, 'of graphs'],
    ['start-up', <Value key="s" of={plan.captureSeconds} as={seconds} />, 'to capture them'],
  ];
  return (
    <>
      <dl class="headline">
        {facts.map(([name, value, of]) => (
          <div key={name} data-testid={name}>
            <dt>{name}</dt>
            <dd>
              {value} <small>{of}</small>
            </dd>
          </div>
        ))}
      </dl>
      <p class="took">
        {trace !== null && `${grouped(trace.requests)} requests. `}
        Planned in {(milliseconds / 1000).toFixed(2)} s on this machine.
      </p>
    </>
  );
}

/** What a reader should know before the numbers are trusted. */
function Notes({ answer }: { readonly answer: PlanAnswer }): JSX.Element | null {
  const { document: plan, engine, trace, incomplete } = answer;
  const { unseen } = plan;
  const held = plan.unplannedSteps - plan.unplannedUnknownSteps;
  const notes = [
    ...(trace?.warnings ?? []),
    ...(incomplete === null ? [] : [`The log ${incomplete}.`]),
    ...(held > 0 ? [`${grouped(held)} steps hold a prefill, for which no graph was planned.`] : []),
    ...(plan.unknownSteps > 0
      ? [`Of ${grouped(plan.unknownSteps)} steps the log does not say whether they hold a prefill.`]
      : []),
    ...(plan.log?.sampled === true
      ? [
          'The steps are samples of the requests that ran, taken as decodes. With --cudagraph-metrics vLLM counts every step.',
        ]
      : []),
    ...(plan.log?.findings.map(({ text }) => text) ?? []),
    ...(unseen?.shifted === true
      ? ['The second half of the traffic differs from the first: what was seen says little about what comes.']
      : []),
    ...(engine !== null && engine.unknown.length > 0
      ? [`Not known here, and perhaps of matter to graphs: ${engine.unknown.join(' ')}`]
      : []),
  ];
  if (notes.length === 0) return null;
  return (
    <ul class="notes">
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  );
}

/** The plan, and what engines capture by default, over the same steps. */
function Engines({ answer: { document: plan, engine } }: { readonly answer: PlanAnswer }): JSX.Element {
  const { costKnown, engines, equalPadding, asRan } = plan;
  const cells = (score: {
    graphs: number;
    paddingRatio: number;
    timeRatio: number;
    eagerSteps: number;
  }): JSX.Element[] => [
    <Value key="g" of={score.graphs} as={grouped} />,
    <Value key="p" of={score.paddingRatio} as={percentOf} />,
    ...(costKnown ? [<Value key="t" of={score.timeRatio} as={percentOf} />] : []),
    <Value key="e" of={score.eagerSteps} as={grouped} />,
  ];
  const equal = (name: string): JSX.Element | string => {
    const graphs = equalPadding.find((one) => one.engine === name)?.graphs ?? null;
    return graphs === null ? '' : <Value of={graphs} as={grouped} />;
  };
  return (
    <Table
      caption="Beside what engines capture, over the same steps"
      columns={[
        'who',
        'graphs',
        'padding',
        ...(costKnown ? ['time lost'] : []),
        'eager steps',
        'our graphs that pad no more',
      ]}
      rows={[
        ['this plan', ...cells(plan), ''],
        ...(asRan === null ? [] : [['as the log ran', ...cells(asRan), '']]),
        ...engines.map((score) => [
          engine?.profile.engine === score.engine
            ? `${score.engine}, as you run it`
            : `${score.engine} ${score.version}`,
          ...cells(score),
          equal(score.engine),
        ]),
      ]}
    />
  );
}
