"""Run folders: manifest, journal and pictures that survive a crash."""
