import { checkArguments } from '../checks.js';
import { SERIES, type StatsSource } from './series.js';

/** What of prom-client's module is used. */
export interface PrometheusClient {
  /** Its class of values that go up and down. */
  readonly Gauge: new (
    options: PrometheusOptions,
  ) => PrometheusMetric;
  /** Its class of counts. */
  readonly Counter: new (
    options: PrometheusOptions,
  ) => PrometheusMetric;
}

/** What a metric of prom-client is made from, as far as it is used. */
export interface PrometheusOptions {
  /** Name of the metric. */
  readonly name: string;
  /** What it counts, as a sentence. */
  readonly help: string;
  /** Names of its labels. */
  readonly labelNames: string[];
  /** Registries that take it. Default prom-client's own. */
  // biome-ignore lint/suspicious/noExplicitAny: prom-client's registries have a type parameter that does not matter here
  readonly registers?: any[];
}

/** A metric of prom-client, as far as it is used. */
export interface PrometheusMetric {
  /** Forgets its values. */
  reset(): void;
  /** Adds `value` to the one with these labels. */
  inc(labels: Record<string, string>, value: number): void;
}

/** The registry of prom-client, as far as it is used. */
export interface PrometheusRegistry {
  /** Takes a metric up. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  registerMetric?(metric: any): void;
}

/**
 * Registers the counts of ranks with prom-client (15), which is passed in: `lockstep_steps_total{rank,run}` and the others of `docs/runtime.md`.
 * `source` is read whenever the registry is collected. `registry` is prom-client's default one where none is given.
 */
export function prometheusMetrics(client: PrometheusClient, source: StatsSource, registry?: PrometheusRegistry): void {
  checkArguments('prometheusMetrics', { client: [client, 'object', 'Counter', 'Gauge'] });
  checkArguments('prometheusMetrics', { Counter: [client.Counter, 'function'], Gauge: [client.Gauge, 'function'] });
  for (const { name, kind, help, labels, values } of SERIES) {
    const Metric = kind === 'counter' ? client.Counter : client.Gauge;
    const options = {
      name,
      help,
      labelNames: ['rank', ...labels],
      ...(registry === undefined ? {} : { registers: [registry] }),
      collect(this: PrometheusMetric) {
        this.reset();
        for (const stats of source()) {
          for (const [own, value] of values(stats)) this.inc({ rank: String(stats.rank), ...own }, value);
        }
      },
    };
    new Metric(options);
  }
}
