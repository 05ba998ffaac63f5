/** The version in package.json, for places without a file system; a test holds the two together. */
export const VERSION = '0.1.0'
