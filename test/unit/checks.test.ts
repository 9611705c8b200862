import vm from 'node:vm';
import { expect, it } from 'vitest';
import { checkArguments, checkHas, checkList, checkOptions, Faults } from '../../dist/checks.js';
import { LockstepError } from '../../dist/errors.js';

/** A value that counts how often it is written out: with thousands of numbers in it that takes as long as planning does. */
function countedTexts(): {
  readonly value: { readonly sizes: number[]; toJSON(): string };
  readonly texts: () => number;
} {
  let count = 0;
  const toJSON = (): string => {
    count += 1;
    return 'long';
  };
  return { value: { sizes: [1], toJSON }, texts: () => count };
}

it('what is right is not written out for an error that there is not', () => {
  const { value, texts } = countedTexts();
  const list = Object.assign([1, 2], { toJSON: value.toJSON });
  checkList('sizes', list);
  checkList('sizes', list, 'numbers');
  checkHas('the options', value, ['sizes']);
  checkOptions('the options', value, ['sizes'], ['toJSON']);
  checkArguments('plan', { options: [value, 'object', 'sizes'], sizes: [list, 'list'], all: [[value], 'objects'] });
  expect(texts()).toBe(0);
});

it.each<[string, () => void, RegExp]>([
  ['a list', () => checkList('sizes', { a: 1 }), /sizes is \{"a":1\}; it must be an array/],
  ['numbers', () => checkList('sizes', [1, 'x'], 'numbers'), /sizes\[1\] is "x"; it must be a number/],
  ['an object', () => checkHas('limits', 7, ['a', 'b']), /limits is 7; it must be an object with a, b/],
  ['a field', () => checkHas('limits', { a: 1 }, ['a', 'b']), /limits has no b, which it needs/],
  ['no other name', () => checkOptions('it', { a: 1, c: 2 }, ['a'], ['b']), /it has no c; it has a, b/],
  [
    'an argument',
    () => checkArguments('plan', { text: [1, 'text'] }),
    /This call of plan .*\n.*text is 1; it must be text/,
  ],
])('what is not %s is named', (_, call, message) => {
  expect(call).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(message) }),
  );
});

it('faults of parts are told together, in their order, and other errors at once', () => {
  const faults = new Faults();
  expect(faults.of(() => 5)).toBe(5);
  expect(faults.any).toBe(false);
  faults.integer('a', 0, 1, 2);
  const part = (): never => {
    const own = new Faults();
    own.check(false, 'b and c differ', 'b', 'c');
    own.check(false, 'c is long', 'c');
    own.throwIfAny('This part');
    return expect.unreachable();
  };
  const bare = new LockstepError('ERR_CONFIG_INVALID', 'd is none');
  expect(faults.of(part)).toBeUndefined();
  faults.of(() => {
    throw bare;
  });
  const told = ['a is 0; it must be an integer from 1 to 2', 'b and c differ', 'c is long', 'd is none'];
  expect(() => faults.throwIfAny('All')).toThrow(
    expect.objectContaining({
      code: 'ERR_CONFIG_INVALID',
      message: `All cannot work:\n${told.map((fault) => `  - ${fault}`).join('\n')}`,
      details: { faults: told, options: ['a', 'b', 'c'] },
    }),
  );
  const other = new LockstepError('ERR_INPUT_INVALID', 'no such file');
  expect(() =>
    faults.of(() => {
      throw other;
    }),
  ).toThrow(other);
});

it.each<[string, unknown]>([
  ['[1,2]', [1, 2]],
  ['an Int32Array', new Int32Array(2)],
  ['an Int32Array', vm.runInNewContext('new Int32Array(2)')],
  ['a Uint8Array', Buffer.from('ab')],
  ['a DataView', new DataView(new ArrayBuffer(4))],
  ['an ArrayBuffer', new ArrayBuffer(4)],
  ['a SharedArrayBuffer', new SharedArrayBuffer(4)],
  ['a Map', new Map([['sizes', [1]]])],
  ['a Map', vm.runInNewContext('new Map()')],
  ['a Set', new Set(['sizes'])],
  ['a WeakMap', new WeakMap()],
  ['a Promise', Promise.resolve({ sizes: [1] })],
  ['a RegExp', /sizes/],
  ['a URLSearchParams', new URLSearchParams('sizes=1')],
  ['"2026-01-01T00:00:00.000Z"', new Date('2026-01-01')],
  ['"sizes"', Object('sizes')],
  ['"file:///sizes"', new URL('file:///sizes')],
])('%s has no options as its fields', (text, value) => {
  const refusal = expect.objectContaining({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringContaining(`options is ${text}; it must be an object`),
  });
  expect(() => checkArguments('plan', { options: [value, 'object'] })).toThrow(refusal);
  expect(() => checkOptions('options', value, [])).toThrow(refusal);
});

it('an object of any class has options as its fields, inherited ones too', () => {
  class Options {
    readonly sizes = [1];
  }
  class Tagged extends Options {
    readonly [Symbol.toStringTag] = 'Options';
  }
  class Inherited {
    get sizes(): number[] {
      return [1];
    }
  }
  const bare = Object.assign(Object.create(null), { sizes: [1] });
  const given = [
    new Options(),
    new Tagged(),
    bare,
    Object.freeze({ sizes: [1] }),
    vm.runInNewContext('({ sizes: [1] })'),
  ];
  for (const options of given) {
    checkArguments('plan', { options: [options, 'object', 'sizes'] });
    checkOptions('options', options, ['sizes']);
  }
  checkArguments('plan', { options: [new Inherited(), 'object', 'sizes'] });
  checkArguments('plan', { options: [new Proxy({ sizes: [1] }, {}), 'object', 'sizes'] });
});
