"""The evaluation of a study's out-of-sample predictions: skill, uncertainty and explanation.

`scores` measures skill with block-bootstrap intervals and HAC tests. `strata`, `decay`, `reliability` and `seeds` split
it by regime, horizon, probability and seed. `profit` measures a backtest, `impact` the price impact, `oracle` the share
of a planted signal, and `explanation` the use of features (SHAP, permutation, interactions).
"""
