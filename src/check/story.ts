import { LockstepError, shown } from '../errors.js';
import { PROPERTIES } from '../layout/index.js';
import { loadModules, type PlannerModules, type WasmSource } from '../memory/index.js';
import { brokenBy, captureTrace, endOf, movesOf } from './capture-model.js';
import { rulesOf } from './checked-rules.js';
import { HISTORICAL, type HistoricalPolicy, historicalPolicy } from './historical.js';
import { PROPERTY_MEANINGS, type Property } from './properties.js';
import type { CheckedPair } from './standard-domain.js';
import { playStep, type TraceLine } from './trace.js';

/** One step, or one capture, under one rule: what every rank does, and what of it breaks. */
export interface PlayedStory {
  /** What happens, line by line, until the step ends or nothing can go on. */
  readonly trace: readonly TraceLine[];
  /** Properties that it breaks; empty where all is well. */
  readonly breaks: readonly Property[];
}

/** A fault that an engine had, played on its former rule and on the one after the fix. */
export interface Story {
  /** Of the historical policy. */
  readonly name: string;
  /** What the fault looked like, in a sentence. */
  readonly about: string;
  /** Under the former rule. */
  readonly before: PlayedStory;
  /** Under the rule after the fix. */
  readonly fixed: PlayedStory;
}

/** What each story plays: the batch of each rank, by its label among the local states, or which ranks have room for the first key. */
const PLAYED: Readonly<Record<string, readonly string[] | readonly boolean[]>> = {
  'vllm-before-27771': ['3 decodes of 2 tokens', '4 decodes of 2 tokens'],
  'atom-before-1120': ['3 decodes of 2 tokens', '1 prefill of 8 tokens'],
  'trtllm-before-14986': [false, true],
  'megatron-before-3509': ['3 prefills of 8 tokens together'],
  'atom-before-1275': ['3 decodes of 1 token', '4 decodes of 2 tokens'],
  'megatron-before-3033': ['1 prefill of 1 token', 'idle'],
  'vllm-before-25906': ['1 decode of 1 token, vetoes graphs', 'idle'],
  'vllm-before-28224': ['idle', '1 decode of 1 token'],
  'vllm-before-43547': ['idle', '1 decode of 1 token'],
};

/** Plays the story of a historical policy by the compiled rules. Errors: ERR_CONFIG_INVALID for a name that none has. */
export async function playStory(
  name: string,
  wasm: Partial<Record<keyof PlannerModules, WasmSource>> = {},
): Promise<Story> {
  const historical = historicalPolicy(name);
  if (historical === undefined) {
    const names = HISTORICAL.map((policy) => policy.name);
    throw new LockstepError('ERR_CONFIG_INVALID', `there is no story ${shown(name)}; there are ${names.join(', ')}`, {
      name,
      names,
    });
  }
  const modules = await loadModules(wasm);
  const play = (which: 'before' | 'fixed'): PlayedStory => played(modules, historical, which);
  return { name, about: historical.about, before: play('before'), fixed: play('fixed') };
}

function played(modules: PlannerModules, { name, pair }: HistoricalPolicy, which: 'before' | 'fixed'): PlayedStory {
  const what = PLAYED[name];
  const room = what.filter((one) => typeof one === 'boolean');
  return room.length > 0 ? playCapture(pair(which), room) : playTable(modules, pair(which), what.map(String));
}

/** The capture of the first key, where the ranks were asked to throw if they differ. */
function playCapture({ plan, policy }: CheckedPair, room: readonly boolean[]): PlayedStory {
  const key = plan.keys[0];
  const moves = movesOf(room, 0, policy, 'throw');
  const broken = brokenBy(room, moves, 'throw');
  const trace = captureTrace(key, 0, room, moves);
  if (broken === undefined) return { trace, breaks: [] };
  return { trace: [...trace, ...endOf(key, 0, room, moves, broken)], breaks: [broken] };
}

/** The step of a table of local states, and what the laws say of it. */
function playTable(modules: PlannerModules, pair: CheckedPair, labels: readonly string[]): PlayedStory {
  const { rules, local } = rulesOf(modules, pair, labels.length);
  const states = labels.map((label) => {
    const state = local.find((one) => one.label === label);
    if (state === undefined) throw new RangeError(`no local state is called ${label}`);
    return state;
  });
  const trace = playStep(rules, states);
  const actions = rules.regions.region('check').offset;
  const bits = rules.rules.judge(rules.table.byteOffset, labels.length, rules.decision.words.byteOffset, actions);
  const breaks = PROPERTIES.filter((_, index) => (bits & (1 << index)) !== 0);
  const ends = breaks.map((property): TraceLine => {
    return { phase: 'end', rank: null, text: `violates ${property}: ${PROPERTY_MEANINGS[property]}` };
  });
  return { trace: [...trace, ...ends], breaks };
}
