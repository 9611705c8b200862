import type * as Prometheus from 'prom-client';
import { prometheusMetrics } from '../metrics/index.js';
import type { EngineStats, Service, ServiceStats } from '../service/index.js';

/** Upper bounds of times, in seconds, and of tokens. Source: vLLM's metrics. */
const SECONDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

const sum = (stats: ServiceStats, name: keyof EngineStats): number =>
  stats.ranks.reduce((total, { engine }) => total + engine[name], 0);

/** Counts that are read from the service when they are asked for. */
const READ: readonly [name: string, kind: 'counter' | 'gauge', help: string, read: (stats: ServiceStats) => number][] =
  [
    ['vllm:num_requests_running', 'gauge', 'Requests that run on ranks.', (stats) => stats.running],
    [
      'vllm:num_requests_waiting',
      'gauge',
      'Requests that wait, for a rank or on one.',
      (stats) => stats.queued + stats.waiting,
    ],
    [
      'vllm:kv_cache_usage_perc',
      'gauge',
      'Share of the KV blocks that requests hold, 0 to 1.',
      (stats) => sum(stats, 'usedBlocks') / Math.max(1, sum(stats, 'blocks')),
    ],
    ['vllm:prompt_tokens_total', 'counter', 'Prompt tokens of requests that began.', (stats) => stats.promptTokens],
    ['vllm:generation_tokens_total', 'counter', 'Tokens generated.', (stats) => stats.generatedTokens],
    ['vllm:num_preemptions_total', 'counter', 'Requests preempted.', (stats) => sum(stats, 'preemptions')],
    [
      'vllm:prefix_cache_hits_total',
      'counter',
      'Prompt tokens whose KV blocks were there already.',
      (stats) => sum(stats, 'reusedTokens'),
    ],
    [
      'vllm:spec_decode_num_draft_tokens_total',
      'counter',
      'Drafted tokens computed.',
      (stats) => sum(stats, 'draftTokens'),
    ],
    [
      'vllm:spec_decode_num_accepted_tokens_total',
      'counter',
      'Drafted tokens accepted.',
      (stats) => sum(stats, 'acceptedTokens'),
    ],
    [
      'lockstep_service_suspended',
      'gauge',
      'Requests without a place until they are read on.',
      (stats) => stats.suspended,
    ],
    [
      'lockstep_service_restarts_total',
      'counter',
      'Times that the ranks were started again.',
      (stats) => stats.restarts,
    ],
  ];

/** The metrics of a server, for Prometheus: vLLM's names where one fits, and the ranks' own. */
export class ServerMetrics {
  readonly contentType: string;
  readonly #registry: Prometheus.Registry;
  readonly #stop: () => void;

  constructor(client: typeof Prometheus, service: Service) {
    const registry = new client.Registry();
    this.#registry = registry;
    this.contentType = registry.contentType;
    registry.setDefaultLabels({ model_name: service.model });
    const registers = [registry];
    for (const [name, kind, help, read] of READ) {
      const Metric = kind === 'counter' ? client.Counter : client.Gauge;
      new Metric({
        name,
        help,
        registers,
        collect(this: Prometheus.Counter | Prometheus.Gauge) {
          this.reset();
          this.inc(read(service.stats()));
        },
      });
    }
    const success = new client.Counter({
      name: 'vllm:request_success_total',
      help: 'Requests that ended, by how: stop, length, abort or error.',
      labelNames: ['finished_reason'],
      registers,
      collect() {
        this.reset();
        for (const [reason, count] of Object.entries(service.stats().ended))
          this.inc({ finished_reason: reason }, count);
      },
    });
    void success;
    const histogram = (name: string, help: string, buckets: number[]): Prometheus.Histogram =>
      new client.Histogram({ name, help, buckets, registers });
    const first = histogram('vllm:time_to_first_token_seconds', 'From arrival to the first token.', SECONDS);
    const whole = histogram('vllm:e2e_request_latency_seconds', 'From arrival to the last token.', SECONDS);
    const prompt = histogram('vllm:request_prompt_tokens', 'Tokens of prompts.', TOKENS);
    const generated = histogram('vllm:request_generation_tokens', 'Tokens generated for a request.', TOKENS);
    prometheusMetrics(
      client,
      () => service.stats().ranks.flatMap(({ steps }) => (steps === null ? [] : [steps])),
      registry,
    );
    this.#stop = service.observe((event) => {
      if (event.kind === 'first-token') first.observe(event.seconds);
      if (event.kind !== 'end') return;
      whole.observe(event.seconds);
      prompt.observe(event.promptTokens);
      generated.observe(event.generatedTokens);
    });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  dispose(): void {
    this.#stop();
  }
}
