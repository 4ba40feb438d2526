# A small event pipeline as Terraform describes it; blueprint.yaml is the same for `pipeline`.
terraform {
  required_version = "~> 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
  default_tags {
    tags = { system = "killed" }
  }
}

data "aws_caller_identity" "me" {}

resource "aws_kms_key" "lake" {
  description = "Encrypts the lake"
}

resource "aws_kms_alias" "lake" {
  name          = "alias/killed"
  target_key_id = aws_kms_key.lake.key_id
}

resource "aws_s3_bucket" "lake" {
  bucket = "killed-${data.aws_caller_identity.me.account_id}"
}

resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.lake.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id
  rule {
    id     = "logs"
    status = "Enabled"
    filter {
      prefix = "logs/"
    }
    expiration {
      days = 30
    }
  }
}

resource "aws_cloudwatch_log_group" "delivery" {
  name              = "/killed/delivery"
  retention_in_days = 7
}

resource "aws_kinesis_stream" "events" {
  name             = "killed-events"
  shard_count      = 2
  retention_period = 48
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.lake.arn
}

resource "aws_iam_role" "delivery" {
  name = "killed-delivery"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "firehose.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "delivery" {
  name = "lake"
  role = aws_iam_role.delivery.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:PutObject", Resource = "${aws_s3_bucket.lake.arn}/*" }]
  })
}

resource "aws_sqs_queue" "unhandled" {
  name                      = "killed-unhandled"
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "arrivals" {
  name                       = "killed-arrivals"
  visibility_timeout_seconds = 360
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.unhandled.arn
    maxReceiveCount     = 3
  })
}

resource "aws_sns_topic" "oncall" {
  name = "killed-oncall"
}

resource "aws_iam_role" "nodes" {
  name = "killed-nodes"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "nodes" {
  name = "killed-nodes"
  role = aws_iam_role.nodes.name
}

resource "aws_iam_role" "emr" {
  name = "killed-emr"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "elasticmapreduce.amazonaws.com" }
    }]
  })
}

resource "aws_emr_cluster" "spark" {
  name          = "killed-spark"
  release_label = "emr-7.9.0"
  applications  = ["Spark", "Hadoop"]
  service_role  = aws_iam_role.emr.arn
  log_uri       = "s3n://${aws_s3_bucket.lake.id}/logs/emr/"
  # Left out, it comes back as 15, and the provider would replace the cluster.
  ebs_root_volume_size = 15
  ec2_attributes {
    instance_profile = aws_iam_instance_profile.nodes.arn
  }
  master_instance_group {
    instance_type = "m5.xlarge"
    ebs_config {
      size                 = 32
      type                 = "gp2"
      volumes_per_instance = 2
    }
  }
  core_instance_group {
    instance_type  = "m5.large"
    instance_count = 2
    ebs_config {
      size                 = 32
      type                 = "gp2"
      volumes_per_instance = 2
    }
  }
}
