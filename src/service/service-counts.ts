import type { ServiceRequest } from './service-request.js';
import type { RequestOutcome, ServiceEvent } from './service-stats.js';

const LEAST_RETRY_MS = 1000;
const MOST_RETRY_MS = 60_000;
/** Weight of the newest interval between two requests' ends. */
const NEWEST = 0.1;

/** What a service counts of its requests, and who hears of it. */
export class ServiceCounts {
  readonly ended: Record<RequestOutcome, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  promptTokens = 0;
  generatedTokens = 0;
  readonly #observers = new Set<(event: ServiceEvent) => void>();
  #lastEnd = 0;
  #endInterval = LEAST_RETRY_MS;

  observe(observer: (event: ServiceEvent) => void): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  tell(event: ServiceEvent): void {
    for (const observer of this.#observers) observer(event);
  }

  /** A token came for a request. */
  token(request: ServiceRequest): void {
    this.generatedTokens++;
    if (request.firstToken > 0) return;
    request.firstToken = performance.now();
    this.promptTokens += request.promptTokens;
    this.tell({ kind: 'first-token', seconds: (request.firstToken - request.arrived) / 1000 });
  }

  end({ promptTokens, generated: generatedTokens, arrived }: ServiceRequest, outcome: RequestOutcome): void {
    const now = performance.now();
    if (this.#lastEnd > 0) this.#endInterval += NEWEST * (now - this.#lastEnd - this.#endInterval);
    this.#lastEnd = now;
    this.ended[outcome]++;
    this.tell({ kind: 'end', outcome, seconds: (now - arrived) / 1000, promptTokens, generatedTokens });
  }

  /** Milliseconds after which a place may be free: about as long as it takes until a request ends, from 1 s to 60 s. */
  get retryAfterMs(): number {
    return Math.ceil(Math.min(MOST_RETRY_MS, Math.max(LEAST_RETRY_MS, this.#endInterval)));
  }
}
