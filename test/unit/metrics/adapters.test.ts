import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import * as prometheus from 'prom-client';
import { describe, expect, it } from 'vitest';
import { prometheusMetrics, type StepStats, telemetryMetrics } from '../../../dist/entry/metrics.js';

const STATS: readonly StepStats[] = [0, 1].map((rank) => ({
  rank,
  ranks: 2,
  steps: 9,
  runs: { full: 5 + rank, piecewise: 3, eager: 1 },
  reasons: { graph: 5 + rank, 'graph-piecewise': 3, vetoed: 1, 'all-idle': 2 },
  ubatchedSteps: 4,
  tokens: 100,
  paddedTokens: 128,
  parks: 2,
  parked: rank === 1,
  faults: 0,
  graphs: 7,
  graphBytes: 4096,
}));

/** Every value that both adapters report of `STATS`, as `name{labels} value`. */
const WANTED = [0, 1].flatMap((rank) => [
  `lockstep_steps_total{rank=${rank},run=eager} 1`,
  `lockstep_steps_total{rank=${rank},run=full} ${5 + rank}`,
  `lockstep_steps_total{rank=${rank},run=piecewise} 3`,
  `lockstep_decisions_total{rank=${rank},reason=all-idle} 2`,
  `lockstep_decisions_total{rank=${rank},reason=graph-piecewise} 3`,
  `lockstep_decisions_total{rank=${rank},reason=graph} ${5 + rank}`,
  `lockstep_decisions_total{rank=${rank},reason=vetoed} 1`,
  `lockstep_ubatched_steps_total{rank=${rank}} 4`,
  `lockstep_tokens_total{rank=${rank}} 100`,
  `lockstep_padded_tokens_total{rank=${rank}} 128`,
  `lockstep_parks_total{rank=${rank}} 2`,
  `lockstep_faults_total{rank=${rank}} 0`,
  `lockstep_parked{rank=${rank}} ${rank}`,
  `lockstep_graphs{rank=${rank}} 7`,
  `lockstep_graph_memory_bytes{rank=${rank}} 4096`,
]);

const labelled = (name: string, labels: object, value: unknown): string =>
  `${name}{${Object.entries(labels)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([label, text]) => `${label}=${text}`)
    .join(',')}} ${value}`;

describe('prom-client', () => {
  it('is given what ranks have counted, anew at each scrape', async () => {
    const registry = new prometheus.Registry();
    let stats = STATS;
    prometheusMetrics(prometheus, () => stats, registry);
    for (let scrape = 0; scrape < 2; scrape++) {
      const metrics = await registry.getMetricsAsJSON();
      const found = metrics.flatMap(({ name, values }) =>
        values.map(({ labels, value }) => labelled(name, labels, value)),
      );
      expect(found.sort()).toEqual([...WANTED].sort());
    }
    expect(await registry.metrics()).toContain('# TYPE lockstep_steps_total counter');
    stats = [];
    expect(
      (await registry.getMetricsAsJSON()).flatMap(({ values }) => values).filter(({ labels }) => 'rank' in labels),
    ).toEqual([]);
  });

  it('takes its default registry where none is given', async () => {
    prometheusMetrics(prometheus, () => STATS);
    expect(await prometheus.register.metrics()).toContain('lockstep_graphs{rank="0"} 7');
    prometheus.register.clear();
  });
});

describe('OpenTelemetry', () => {
  it('observes the same until it is told to stop', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({ readers: [reader] });
    let asked = 0;
    const ends = telemetryMetrics(provider.getMeter('lockstep'), () => {
      asked++;
      return STATS;
    });
    await reader.forceFlush();
    const collected = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    const found = collected.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => labelled(descriptor.name, attributes, value)),
    );
    const dotted = (name: string): string => name.replace(/(_total|_bytes)\{/, '{').replace('lockstep_', 'lockstep.');
    expect(found.sort()).toEqual(WANTED.map(dotted).sort());
    expect(collected.find(({ descriptor }) => descriptor.name === 'lockstep.graph_memory')?.descriptor.unit).toBe('By');
    expect(asked).toBe(10);
    ends[Symbol.dispose]();
    await reader.forceFlush();
    expect(asked).toBe(10);
    await provider.shutdown();
  });
});
