import { expect, it } from 'vitest';
import { bytesOf, grouped, percentOf, shortNumber } from '../../dist/text.js';

it.each([
  [0, '0 %'],
  [0.00094, '0.094 %'],
  [0.000_000_005, '< 0.001 %'],
  [0.0123, '1.23 %'],
  [0.0996, '9.96 %'],
  [0.099996, '10.0 %'],
  [0.2754, '27.5 %'],
  [0.99999, '100 %'],
  [1, '100 %'],
  [12.3456, '1,235 %'],
])('the share %d is %s', (share, text) => expect(percentOf(share)).toBe(text));

it.each([
  [0, '0 B'],
  [1023, '1,023 B'],
  [1024, '1 KiB'],
  [1023.7 * 1024, '1 MiB'],
  [1.5 * 2 ** 20, '1.5 MiB'],
  [123.4 * 2 ** 30, '123 GiB'],
  [3 * 2 ** 50, '3,072 TiB'],
])('%d bytes are %s', (bytes, text) => expect(bytesOf(bytes)).toBe(text));

it('numbers are grouped, and short where people compare them', () => {
  expect([0, 999, 1000, 1234567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567']);
  expect([0.00012345, 2.71999, 42, 1234.5].map(shortNumber)).toEqual(['0.000123', '2.72', '42', '1,235']);
});
