import { once } from 'node:events';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import type { TextTokenizer } from '../checkpoint/index.js';
import { LockstepError } from '../errors.js';
import { sentence, startMpi } from '../ranks/index.js';
import { checkAddress, completeServerOptions, type Server, startServer } from '../server/index.js';
import { type CustomModel, createService, type Service, type ServiceOptions, serveMpiRank } from '../service/index.js';
import { speakAsRank } from './describe.js';
import { EXIT } from './exit.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { plannedService } from './model-options.js';
import type { PlannerFlags, PoolFlags } from './planner-options.js';

interface ServeFlags extends PlannerFlags, PoolFlags {
  readonly ranks: number;
  readonly tensorParallelSize: number;
  readonly transport: 'threads' | 'mpi';
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly device: NonNullable<ServiceOptions['device']>;
  readonly deviceMemory?: number;
  readonly timeout: number;
  readonly maxQueue: number;
  readonly restarts: number;
  readonly grace: number;
  readonly async?: boolean;
  readonly json?: boolean;
}

/** What a module that makes a forward may say of its model, beside its default export. */
interface ModelModule {
  readonly model?: Omit<CustomModel, 'entry'>;
  readonly tokenizer?: TextTokenizer;
}

/** Longest time that clients are given to read why a service has failed. */
const FLUSH_MS = 500;

/** Version of the line that says where the server listens. */
const SCHEMA_VERSION = 1;

/** Serves a model until a signal ends it, or the service fails. */
export async function serve(name: string, flags: ServeFlags, command: Command): Promise<void> {
  await unlessInterrupted(async () => {
    if (flags.transport === 'mpi') {
      const { rank } = startMpi();
      speakAsRank(rank);
      if (rank > 0) return await serveBeside(name, flags, command);
    }
    const { host, port, apiKey } = flags;
    const where = { host, port, ...(apiKey === undefined ? {} : { apiKey }) };
    // Checked before ranks are started for it.
    await checkAddress(completeServerOptions(where));
    await using service = await createService(await serviceOptions(name, flags, command));
    await interrupts.look('before the server began');
    const failed = failureOf(service);
    await using server = await startServer({ service, ...where });
    announce(server, flags);
    const { signal } = interrupts;
    let error = await Promise.race([failed, signal.aborted ? null : once(signal, 'abort').then(() => null)]);
    if (error === null) {
      await end(server, flags.grace);
      if (service.state === 'failed') error = await failed;
    }
    if (error === null) return interrupts.served();
    // Clients read why, as far as they read at all.
    await Promise.race([server.drain(), setTimeout(FLUSH_MS, null, { ref: false })]);
    // A service that failed ends with a code of its own, though a signal came before.
    interrupts.served();
    if (flags.transport !== 'mpi') throw error;
    const said = `${sentence(error.message)} Processes of an MPI job cannot be started again: start the job again.`;
    throw new LockstepError(error.code, said, error.details, { cause: error });
  });
}

/** Serves as one of the processes of an MPI job that do not listen, until the one that does ends. It prints nothing on standard output. */
async function serveBeside(name: string, flags: ServeFlags, command: Command): Promise<void> {
  const options = await serviceOptions(name, flags, command);
  const { signal } = interrupts;
  // The first process is sent the signal too, or alone, and says when what was accepted is served.
  const sayWaiting = (): void => {
    const came = interrupts.exitCode === EXIT.sigint ? 'SIGINT' : 'SIGTERM';
    process.stderr.write(`lockstep: ${came} came; waiting for rank 0 to end\n`);
  };
  if (signal.aborted) sayWaiting();
  else signal.addEventListener('abort', sayWaiting, { once: true });
  try {
    await serveMpiRank(options);
  } finally {
    signal.removeEventListener('abort', sayWaiting);
    interrupts.served();
  }
}

/** Serves what was accepted and ends with 0; what is not done in time is given up, as the signal says. */
async function end(server: Server, grace: number): Promise<void> {
  process.stderr.write(`lockstep: ending; what was accepted is served for up to ${grace} s\n`);
  const over = new AbortController();
  const late = setTimeout(1000 * grace, true, { signal: over.signal }).catch(() => false);
  const isLate = await Promise.race([server.drain().then(() => false), late]);
  over.abort();
  if (isLate) {
    process.stderr.write(`lockstep: not all was served in ${grace} s\n`);
    process.exit(interrupts.exitCode ?? EXIT.sigterm);
  }
}

/** Resolves with the error that ended the service for good. States are reported on the way. */
function failureOf(service: Service): Promise<LockstepError> {
  return new Promise((resolve) => {
    service.observe((event) => {
      if (event.kind !== 'state') return;
      const why = event.error === null ? '' : `: ${event.error.message}`;
      process.stderr.write(`lockstep: the service is ${event.state}${why}\n`);
      if (event.state === 'failed') resolve(event.error as LockstepError);
    });
  });
}

function announce({ url, service }: Server, flags: ServeFlags): void {
  const { model } = service;
  const { ranks } = service.options;
  const isAuto = flags.numBlocks === 'auto';
  const blocks = isAuto ? { numBlocks: service.numBlocks } : {};
  const pool = isAuto ? `, ${service.numBlocks} KV blocks each` : '';
  const line =
    flags.json === true
      ? JSON.stringify({ schemaVersion: SCHEMA_VERSION, listening: url, model, ranks, ...blocks })
      : `Serving ${model} on ${url} (${ranks} ${ranks === 1 ? 'rank' : 'ranks'}${pool}); GET /health, /metrics, /v1/models`;
  process.stdout.write(`${line}\n`);
}

async function serviceOptions(name: string, flags: ServeFlags, command: Command): Promise<ServiceOptions> {
  const { tensorParallelSize, transport, device, deviceMemory, maxQueue } = flags;
  const said = <T>(option: string, value: T): T | undefined =>
    command.getOptionValueSource(option) === 'default' ? undefined : value;
  // The job says how many ranks there are, and that none is started again.
  const isJob = transport === 'mpi';
  const ranks = isJob ? said('ranks', flags.ranks) : flags.ranks;
  const restarts = isJob ? said('restarts', flags.restarts) : flags.restarts;
  return {
    ...(await plannedService(flags, command)),
    ...(await modelOf(name)),
    ...(ranks === undefined ? {} : { ranks }),
    transport,
    tensorParallelSize,
    device,
    ...(deviceMemory === undefined ? {} : { deviceMemory }),
    maxQueue,
    ...(restarts === undefined ? {} : { restarts }),
    timeoutMs: flags.timeout,
    async: flags.async === true,
  };
}

/** A module's exports say what its model is; anything else is the name of a model. */
async function modelOf(name: string): Promise<Pick<ServiceOptions, 'model' | 'tokenizer'>> {
  if (!/\.[cm]?js$/.test(name)) return { model: name };
  const entry = pathToFileURL(path.resolve(name));
  let module: ModelModule;
  try {
    module = (await import(entry.href)) as ModelModule;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The module ${name} cannot be loaded: ${why}`,
      { path: name },
      { cause },
    );
  }
  const { model = {}, tokenizer = null } = module;
  return { model: { ...model, entry }, tokenizer };
}
