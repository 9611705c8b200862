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
