// As smoke.mjs, by require.
const { conv2d, info, tensor } = require('convkit')
const promises = require('convkit/promises')
const reference = require('convkit/reference')

const ones = () => tensor(new Float32Array(9).fill(1), [1, 1, 3, 3])
promises.conv2d(ones(), ones()).then(({ data }) => {
  const results = [conv2d(ones(), ones()).data[0], data[0], reference.conv2d(ones(), ones()).data[0]]
  console.log(JSON.stringify({ ...info(), node: process.version, results }))
  process.exitCode = results.every((result) => result === 9) ? 0 : 1
})
