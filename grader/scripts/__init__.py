"""Running a submission's training scripts from the trusted side: tiny data sets, command lines, and what came out."""
