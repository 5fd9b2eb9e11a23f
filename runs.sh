cd /tmp/s7-K; export PYTHONPATH=/tmp/w/K OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
P=/tmp/s7-K/venv/bin/python; cp /tmp/w/K/benchmarks/blocks.py /tmp/s7-K/bb.py
$P bb.py --rows 3e5 --folder bench --learners "dask-ml LogisticRegression" "fit_blocks" > r_3e5.txt 2>&1
$P bb.py --rows 1.3e6 --columns 784 --source parquet --folder bench --learners fit_blocks > r_parquet.txt 2>&1
$P bb.py --rows 1e7 --columns 500 --source csr --folder bench --learners fit_blocks > r_csr.txt 2>&1
$P bb.py --rows 1e7 --folder bench --learners "fit_blocks" "fit in memory" "partial_fit_blocks" "SGDClassifier.partial_fit" "fit_blocks on two Dask workers" "xgboost gblinear, 20 rounds" "dask-ml LogisticRegression" > r_1e7.txt 2>&1
