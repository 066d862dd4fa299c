"""The grading harness: a submission's zip in, a defensible gradesheet out."""
