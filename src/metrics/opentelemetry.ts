import { checkArguments } from '../checks.js';
import { SERIES, type StatsSource } from './series.js';

/** What of a meter of @opentelemetry/api is used. */
export interface TelemetryMeter {
  /** Makes an instrument for a count that only grows. */
  createObservableCounter(name: string, options: { description: string; unit: string }): TelemetryInstrument;
  /** Makes an instrument for a value that goes up and down. */
  createObservableGauge(name: string, options: { description: string; unit: string }): TelemetryInstrument;
}

/** An observable instrument of @opentelemetry/api, as far as it is used. */
export interface TelemetryInstrument {
  /** Has `callback` called whenever values are collected. */
  addCallback(callback: (result: TelemetryResult) => void): void;
  /** Calls it no more. */
  removeCallback(callback: (result: TelemetryResult) => void): void;
}

/** What a callback of an observable instrument is given. */
export interface TelemetryResult {
  /** Gives one value with its labels. */
  observe(value: number, attributes: Record<string, string>): void;
}

/**
 * Observes the counts of ranks with a meter of OpenTelemetry (API 1.9): `lockstep.steps{rank,run}` and the others of `docs/runtime.md`, names with
 * dots, without `_total` and units. `source` is read whenever the meter is collected. Returns what ends it.
 */
export function telemetryMetrics(meter: TelemetryMeter, source: StatsSource): Disposable {
  checkArguments('telemetryMetrics', { meter: [meter, 'object', 'createObservableCounter', 'createObservableGauge'] });
  checkArguments('telemetryMetrics', { createObservableCounter: [meter.createObservableCounter, 'function'] });
  const ends: (() => void)[] = [];
  for (const { name, kind, help, values } of SERIES) {
    const bytes = name.endsWith('_bytes');
    const dotted = name.replace(/_(total|bytes)$/, '').replace('lockstep_', 'lockstep.');
    const options = { description: help, unit: bytes ? 'By' : '1' };
    const instrument =
      kind === 'counter'
        ? meter.createObservableCounter(dotted, options)
        : meter.createObservableGauge(dotted, options);
    const observe = (result: TelemetryResult): void => {
      for (const stats of source()) {
        for (const [labels, value] of values(stats)) result.observe(value, { rank: String(stats.rank), ...labels });
      }
    };
    instrument.addCallback(observe);
    ends.push(() => instrument.removeCallback(observe));
  }
  return {
    [Symbol.dispose]: () => {
      for (const end of ends.splice(0)) end();
    },
  };
}
