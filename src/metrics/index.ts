export {
  type TelemetryInstrument,
  type TelemetryMeter,
  type TelemetryResult,
  telemetryMetrics,
} from './opentelemetry.js';
export {
  type PrometheusClient,
  type PrometheusMetric,
  type PrometheusOptions,
  type PrometheusRegistry,
  prometheusMetrics,
} from './prometheus.js';
export { type Labels, SERIES, type Series, type StatsSource } from './series.js';
