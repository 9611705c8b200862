import type { GlobalMemory } from './memory.js';
import { movedType, operationOf, typed, widthOf } from './operations.js';
import type { Entry, Instruction, Operand } from './parse.js';

/** Threads of a launch, in the order in which they run: each to its end, since kernels do not synchronise. */
export interface Launch {
  readonly grid: number;
  readonly block: number;
  /** Blocks in the order in which they run. Default: ascending. */
  readonly order?: readonly number[];
  /** Values of the parameters, as unsigned bits. */
  readonly parameters: readonly bigint[];
}

interface Thread {
  readonly registers: bigint[];
  readonly special: Readonly<Record<string, bigint>>;
  readonly parameters: ReadonlyMap<string, bigint>;
  readonly memory: GlobalMemory;
}

/** Carries out an instruction; answers with the index of the next one where that is not the one after it. */
type Step = (thread: Thread) => number | undefined;

const END = -1;
/** A thread that takes more has lost its way. */
const MOST_STEPS = 1_000_000;

/** A kernel of a PTX file, ready to be run. Throws for an instruction that is not known. */
export class Kernel {
  readonly #entry: Entry;
  readonly #steps: readonly Step[];
  readonly #registers: ReadonlyMap<string, { readonly index: number; readonly bits: number }>;
  /** Opcodes of the kernel. */
  readonly opcodes: ReadonlySet<string>;
  /** Instructions carried out so far, in all launches. */
  executed = 0;

  constructor(entry: Entry) {
    this.#entry = entry;
    this.#registers = new Map([...entry.registers].map(([name, bits], index) => [name, { index, bits }]));
    this.#steps = entry.instructions.map((instruction) => this.#compile(instruction));
    this.opcodes = new Set(entry.instructions.map(({ opcode }) => opcode));
  }

  run({ grid, block, order, parameters }: Launch, memory: GlobalMemory): void {
    const { parameters: declared, name } = this.#entry;
    if (parameters.length !== declared.length) {
      throw new RangeError(`${name} has ${declared.length} parameters, ${parameters.length} were given`);
    }
    const values = new Map(declared.map((parameter, index) => [parameter.name, parameters[index] ?? 0n]));
    for (const blockIndex of order ?? Array.from({ length: grid }, (_, index) => index)) {
      for (let index = 0; index < block; index++) {
        const special = {
          '%tid.x': BigInt(index),
          '%ntid.x': BigInt(block),
          '%ctaid.x': BigInt(blockIndex),
          '%nctaid.x': BigInt(grid),
        };
        const registers = new Array<bigint>(this.#registers.size).fill(0x5a5a_5a5an);
        this.#runThread({ registers, special, parameters: values, memory });
      }
    }
  }

  #runThread(thread: Thread): void {
    let at = 0;
    for (let steps = 0; at !== END; steps++) {
      const step = this.#steps[at];
      if (step === undefined) throw new RangeError(`${this.#entry.name} runs past its end`);
      if (steps === MOST_STEPS) throw new RangeError(`${this.#entry.name} does not end`);
      this.executed++;
      try {
        at = step(thread) ?? at + 1;
      } catch (error) {
        const { line, opcode } = this.#entry.instructions[at] ?? { line: 0, opcode: '' };
        throw new RangeError(`${this.#entry.name}, line ${line}, ${opcode}: ${(error as Error).message}`);
      }
    }
  }

  #compile(instruction: Instruction): Step {
    const step = this.#unguarded(instruction);
    const { guard } = instruction;
    if (guard === null) return step;
    const { index } = this.#register(guard.register);
    const wanted = guard.when ? 1n : 0n;
    return (thread) => (thread.registers[index] === wanted ? step(thread) : undefined);
  }

  #unguarded({ opcode, operands, line }: Instruction): Step {
    const [first, ...rest] = operands;
    const mistake = (): SyntaxError => new SyntaxError(`line ${line}: ${opcode} with operands that are not known here`);
    if (opcode === 'ret' && first === undefined) return () => END;
    if ((opcode === 'bra' || opcode === 'bra.uni') && first?.kind === 'label') {
      const target = this.#entry.labels.get(first.name);
      return () => target;
    }
    const last = opcode.split('.').at(-1) ?? '';
    const space = opcode.slice(0, -last.length - 1);
    const type = space.startsWith('ld') || space.startsWith('st') ? movedType(last) : last;
    if (space === 'st.global' && first !== undefined) {
      const [value] = rest;
      if (value === undefined || rest.length !== 1) throw mistake();
      const [address, read, bytes] = [this.#address(first), this.#read(value), widthOf(type) / 8];
      return (thread) => thread.memory.store(address(thread), bytes, read(thread)) as undefined;
    }
    if (first?.kind !== 'register') throw mistake();
    const write = this.#write(first.name);
    if (space === 'ld.param' && rest[0]?.kind === 'address' && rest[0].offset === 0n) {
      const { base } = rest[0];
      if (!this.#entry.parameters.some(({ name, bytes }) => name === base && bytes * 8 === widthOf(type)))
        throw mistake();
      return (thread) => write(thread, thread.parameters.get(base) ?? 0n);
    }
    // Without local and shared memory an address of no space named is one of global memory.
    if (
      (space === 'ld' || space === 'ld.global' || space === 'ld.volatile.global' || space === 'ld.global.nc') &&
      rest.length === 1
    ) {
      const [from] = rest;
      if (from === undefined) throw mistake();
      const [address, bytes] = [this.#address(from), widthOf(type) / 8];
      return (thread) => write(thread, typed(type, thread.memory.load(address(thread), bytes)));
    }
    if (opcode === 'atom.global.cas.b32' && rest.length === 3) {
      const [place, expected, desired] = rest as [Operand, Operand, Operand];
      const [address, old, wanted] = [this.#address(place), this.#read(expected), this.#read(desired)];
      return (thread) => {
        const found = thread.memory.load(address(thread), 4);
        if (found === BigInt.asUintN(32, old(thread))) thread.memory.store(address(thread), 4, wanted(thread));
        return write(thread, found);
      };
    }
    const { operation, operands: count } = operationOf(opcode);
    if (rest.length !== count) throw mistake();
    const reads = rest.map((operand) => this.#read(operand));
    return (thread) => write(thread, operation(...reads.map((read) => read(thread))));
  }

  #register(name: string): { readonly index: number; readonly bits: number } {
    const found = this.#registers.get(name);
    if (found === undefined) throw new SyntaxError(`${this.#entry.name} has no register ${name}`);
    return found;
  }

  #write(name: string): (thread: Thread, value: bigint) => undefined {
    const { index, bits } = this.#register(name);
    return ({ registers }, value) => {
      registers[index] = BigInt.asUintN(bits, value);
    };
  }

  #read(operand: Operand): (thread: Thread) => bigint {
    switch (operand.kind) {
      case 'register': {
        const { index } = this.#register(operand.name);
        return ({ registers }) => registers[index] ?? 0n;
      }
      case 'special':
        return ({ special }) => special[operand.name] ?? 0n;
      case 'immediate':
        return () => operand.value;
      default:
        throw new SyntaxError(`${this.#entry.name}: an operand that is no value: ${JSON.stringify(operand.kind)}`);
    }
  }

  #address(operand: Operand): (thread: Thread) => bigint {
    if (operand.kind !== 'address') throw new SyntaxError(`${this.#entry.name}: an operand that is no address`);
    const { index, bits } = this.#register(operand.base);
    if (bits !== 64) throw new SyntaxError(`${this.#entry.name}: an address of ${bits} bits`);
    return ({ registers }) => BigInt.asUintN(64, (registers[index] ?? 0n) + operand.offset);
  }
}
