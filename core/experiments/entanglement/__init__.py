"""The study's second experiment: does a penalty on covariance align the cloud with its axes?"""
