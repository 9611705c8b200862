import type { PlanDocument } from 'lockstep/capture';
import type { JSX } from 'preact';
import {
  costStaircaseData,
  costStaircaseLegend,
  costStaircasePlot,
  costStaircaseTable,
  graphLossData,
  graphLossLegend,
  graphLossPlot,
  graphLossTable,
  stepSizesData,
  stepSizesLegend,
  stepSizesPlot,
  stepSizesTable,
} from '../../../dist/report/plots/index.js';
import { Drawing } from './drawing.js';

/** The plots of the report, for this plan: as it changes they are drawn anew. */
export function PlanPlots({ plan }: { readonly plan: PlanDocument }): JSX.Element {
  const sizes = stepSizesData(decodesOf(plan), laddersOf(plan), plan.ladderOf === 'tokens' ? 'steps' : 'decodes');
  const loss = graphLossData(plan);
  const cost = costStaircaseData(plan.cost.decode, plan.ladders.decode, plan.costModel);
  return (
    <>
      <Drawing
        title="Step sizes, and what is captured"
        when={[plan]}
        draw={(context) => stepSizesPlot(sizes, context)}
        legend={stepSizesLegend(sizes)}
        table={stepSizesTable(sizes)}
      />
      <Drawing
        title="Graphs against what they lose"
        when={[plan]}
        draw={(context) => graphLossPlot(loss, context)}
        legend={graphLossLegend()}
        table={graphLossTable(loss)}
      />
      <Drawing
        title="What a step costs"
        when={[plan]}
        draw={(context) => costStaircasePlot(cost, context)}
        legend={costStaircaseLegend()}
        table={costStaircaseTable(cost)}
      />
    </>
  );
}

/** Decodes by tokens, whole and in micro-batches. */
function decodesOf({ histogram }: PlanDocument): Map<number, number> {
  const steps = new Map<number, number>();
  for (const counts of [histogram.decode, histogram.ubatched]) {
    for (const [size, times] of Object.entries(counts)) {
      steps.set(Number(size), (steps.get(Number(size)) ?? 0) + times);
    }
  }
  return steps;
}

function laddersOf({ ladders, engines }: PlanDocument): { name: string; sizes: readonly number[] }[] {
  return [
    { name: 'this plan', sizes: ladders.decode },
    ...engines.map(({ engine, sizes }) => ({ name: engine, sizes })),
  ];
}
