# data sets of assignment 2
