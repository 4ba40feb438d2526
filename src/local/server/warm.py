"""Makes the archives of loaded classes that halve Spark's start. Run once after the packages are installed:

    python warm.py

Takes about 20 seconds and 160 MB; Spark runs without them too, only slower.
"""

import tempfile
from pathlib import Path

import spark_java

_SCRIPT = """
from pyspark.sql import SparkSession, functions as F
spark = SparkSession.builder.config("spark.ui.enabled", False).getOrCreate()
rows = spark.range(20).withColumn("group", F.col("id") % 3).withColumn("at", F.current_timestamp())
rows.write.mode("overwrite").json("rows")
read = spark.read.json("rows")
totals = read.groupBy("group").agg(F.count("*").alias("n"), F.stddev("id").alias("s"))
read.join(totals, "group").write.mode("overwrite").partitionBy("group").parquet("out")
spark.read.parquet("out").orderBy("id").show()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "warm_script.py")
        script.write_text(_SCRIPT)
        spark_java.make_archives(script, Path(folder))


if __name__ == "__main__":
    main()
