// Package suggest finds the word that somebody meant.
package suggest
