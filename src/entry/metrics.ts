// `lockstep/metrics`: what ranks do, for those who watch: counts for Prometheus and OpenTelemetry, events on diagnostics channels.

export {
  type Labels,
  type PrometheusClient,
  type PrometheusMetric,
  type PrometheusOptions,
  type PrometheusRegistry,
  prometheusMetrics,
  type Series,
  type StatsSource,
  type TelemetryInstrument,
  type TelemetryMeter,
  type TelemetryResult,
  telemetryMetrics,
} from '../metrics/index.js';
export {
  type CaptureEvent,
  type FaultEvent,
  type ParkEvent,
  type PlanEvent,
  RANK_CHANNELS,
  type StepEvent,
  type StepStats,
} from '../runtime/index.js';
