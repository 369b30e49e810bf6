// Package shape translates the Docker Engine API's JSON, both ways.
//
// What a client asks to be created becomes a spec of the vocabulary, what there is becomes
// what inspect and the lists show. It does nothing else.
//
// The API's types are github.com/moby/moby/api's. What they no longer have, and clients of
// older versions read, is added here.
package shape
