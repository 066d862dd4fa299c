# networks of assignment 2
