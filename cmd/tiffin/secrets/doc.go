// Package secrets has the commands of tiffin secret, and what they show.
//
// What is in a secret goes to the engine, and never comes back.
package secrets
