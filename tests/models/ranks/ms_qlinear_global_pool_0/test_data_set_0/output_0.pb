ByJ
…­lwjtue–