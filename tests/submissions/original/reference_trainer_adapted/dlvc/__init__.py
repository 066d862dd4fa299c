# Deep Learning for Visual Computing, assignment 2
