// Package builder builds images with BuildKit's solver and Dockerfile frontend.
//
// The caller and the solver speak BuildKit's own control API on a connection that the
// engine's socket hands over, so the context, secrets and logins come by the caller's
// session and the engine opens none of its files. What BuildKit works on is ours: it
// stands on the image store's content, layers and registries, its RUN steps are jobs of
// the engine, and what it exports becomes an image where it lies, without a copy.
//
//	caller ── gRPC on the socket ──▶ control ─▶ solver ─▶ worker ─┬▶ executor ─▶ Runner: a job
//	  ▲                                                           ├▶ the image store
//	  └──────── session: files, secrets, logins ──────────────────┴▶ exporter ─▶ Adopt
//
// All of it exists only while somebody builds, and for a moment after: an engine that
// does not build holds none of it.
//
// Reading order: builder.go (its life), serve.go (one caller), solver.go worker.go (how
// BuildKit is put together), executor.go trees.go (RUN), exporter.go (what becomes of a
// build), frontend.go (which Dockerfiles), bases.go (which base images), collect.go
// checksums.go (what is kept of the cache, what to forget), scratch.go (what a crash
// leaves behind), memory.go.
//
// Not here: the caller's end (engine/builder/client), the process of a RUN step
// (engine/container), images (engine/image).
package builder
