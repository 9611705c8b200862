/** An operand of a PTX instruction. */
export type Operand =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'special'; readonly name: string }
  | { readonly kind: 'immediate'; readonly value: bigint }
  | { readonly kind: 'label'; readonly name: string }
  /** `[base + offset]`; the base is a register, or a parameter of the entry. */
  | { readonly kind: 'address'; readonly base: string; readonly offset: bigint };

/** One instruction, with the line of the text that it stands in. */
export interface Instruction {
  readonly line: number;
  readonly opcode: string;
  /** `@%p1` or `@!%p1`: runs only where the predicate is `when`. */
  readonly guard: { readonly register: string; readonly when: boolean } | null;
  readonly operands: readonly Operand[];
}

/** A kernel: its parameters in order, its registers, its code. */
export interface Entry {
  readonly name: string;
  /** Bytes of each parameter: 4 or 8. */
  readonly parameters: readonly { readonly name: string; readonly bytes: 4 | 8 }[];
  /** Registers by name, with their bits; a predicate has 1. */
  readonly registers: ReadonlyMap<string, number>;
  readonly instructions: readonly Instruction[];
  /** Index of the instruction that follows each label. */
  readonly labels: ReadonlyMap<string, number>;
}

/** A PTX file. */
export interface PtxModule {
  readonly version: string;
  readonly target: string;
  readonly entries: ReadonlyMap<string, Entry>;
}

const SPECIAL = /^%(?:tid|ntid|ctaid|nctaid)\.x$/;
const SKIPPED = /^\.pragma "nounroll";$|^\.address_size 64$/;

/** Parses the PTX that compilers write, a statement a line; whatever else it holds is an error that names the line. */
export function parsePtx(text: string): PtxModule {
  const lines = text.split('\n').map((line) => line.replace(/\/\/.*$/, '').trim());
  const entries = new Map<string, Entry>();
  let version = '';
  let target = '';
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const header = /^\.visible \.entry (\w+)\($/.exec(line);
    if (line === '' || SKIPPED.test(line)) continue;
    if (header !== null) {
      const end = lines.indexOf('}', at);
      if (end < 0) throw unknown(at, line);
      const [, name = ''] = header;
      entries.set(name, parseEntry(name, lines, at + 1, end));
      at = end;
    } else if (line.startsWith('.version ')) {
      version = line.slice('.version '.length);
    } else if (line.startsWith('.target ')) {
      target = line.slice('.target '.length);
    } else {
      throw unknown(at, line);
    }
  }
  return { version, target, entries };
}

function parseEntry(name: string, lines: readonly string[], begin: number, end: number): Entry {
  const parameters: { name: string; bytes: 4 | 8 }[] = [];
  const registers = new Map<string, number>();
  const instructions: Instruction[] = [];
  const labels = new Map<string, number>();
  for (let at = begin; at < end; at++) {
    const line = lines[at] ?? '';
    const parameter = /^\.param \.[us](32|64) (?:\.ptr(?: \.\w+)*(?: \.align \d+)? )?(\w+),?$/.exec(line);
    const declared = /^\.reg \.(pred|b16|b32|b64|f32) (%\w+)<(\d+)>;$/.exec(line.replace(/\s+/g, ' '));
    const label = /^([$\w]+):$/.exec(line);
    if (line === '' || line === ')' || line === '{' || SKIPPED.test(line)) continue;
    if (parameter !== null) {
      parameters.push({ name: parameter[2] ?? '', bytes: parameter[1] === '32' ? 4 : 8 });
    } else if (declared !== null) {
      const [, type = '', prefix = '', count = ''] = declared;
      const bits = type === 'pred' ? 1 : Number(type.slice(1));
      for (let index = 0; index < Number(count); index++) registers.set(`${prefix}${index}`, bits);
    } else if (label !== null) {
      labels.set(label[1] ?? '', instructions.length);
    } else {
      instructions.push(parseInstruction(line, at, registers));
    }
  }
  for (const { operands, line } of instructions) {
    for (const operand of operands) {
      if (operand.kind === 'label' && !labels.has(operand.name)) throw unknown(line - 1, operand.name);
    }
  }
  return { name, parameters, registers, instructions, labels };
}

function parseInstruction(line: string, at: number, registers: ReadonlyMap<string, number>): Instruction {
  const parts = /^(?:@(!?)(%\w+)\s+)?([a-z][\w.]*)(?:\s+(.*))?;$/.exec(line);
  if (parts === null) throw unknown(at, line);
  const [, negated, register, opcode = '', rest = ''] = parts;
  const operands = rest === '' ? [] : rest.split(',').map((text) => parseOperand(text.trim(), at, registers));
  const guard = register === undefined ? null : { register, when: negated === '' };
  if (guard !== null && registers.get(guard.register) !== 1) throw unknown(at, line);
  return { line: at + 1, opcode, guard, operands };
}

function parseOperand(text: string, at: number, registers: ReadonlyMap<string, number>): Operand {
  const address = /^\[([%\w]+)(?:\+(-?\d+))?\]$/.exec(text);
  if (address !== null) {
    const [, base = '', offset = '0'] = address;
    if (base.startsWith('%') && !registers.has(base)) throw unknown(at, text);
    return { kind: 'address', base, offset: BigInt(offset) };
  }
  if (SPECIAL.test(text)) return { kind: 'special', name: text };
  if (registers.has(text)) return { kind: 'register', name: text };
  if (/^-?(?:\d+|0x[0-9a-fA-F]+)$/.test(text)) {
    return { kind: 'immediate', value: text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text) };
  }
  const float = /^0f([0-9a-fA-F]{8})$/.exec(text);
  if (float !== null) return { kind: 'immediate', value: BigInt(`0x${float[1]}`) };
  if (/^\$?\w+$/.test(text) && !/^\d/.test(text)) return { kind: 'label', name: text };
  throw unknown(at, text);
}

function unknown(at: number, text: string): SyntaxError {
  return new SyntaxError(`line ${at + 1} of the PTX is not understood: ${text}`);
}
