"""PyTorch on the CPU: a linear layer, its fused Adam or SGD, a plain loop over batches.

The rows are gathered by `index_select` from a permutation of each epoch, which is much
faster than a DataLoader. Tensors share the memory of X, in its precision. Sparse rows
have no such loop. MSELoss is without the factor 1/2 of the objective. The decay of the
optimizers is in the gradient, as here, and leaves the intercept alone.
"""

import numpy as np
import scipy.sparse as sp
import torch

from libraries import Solver, n_outputs

DISTRIBUTION = "torch"
torch.set_num_threads(1)


class Loop(Solver):
    tunable = True

    def __init__(self, rule):
        super().__init__(f"PyTorch {rule}", "minibatch")
        self.rule = rule

    def skip(self, X, y, objective):
        if sp.issparse(X):
            return "dense rows only"
        if objective.penalty != "l2":
            return "no l1 penalty"
        return None

    def set_objective(self, X, y, objective, steps):
        self.objective, self.steps = objective, steps
        self.X = torch.from_numpy(X)
        self.outputs = n_outputs(y, objective)
        if self.outputs > 1:
            self.y = torch.from_numpy(y.astype(np.int64))
            self.loss = torch.nn.functional.cross_entropy
        else:
            self.y = torch.from_numpy(y.astype(X.dtype))[:, None]
            self.loss = {
                "log_loss": torch.nn.functional.binary_cross_entropy_with_logits,
                "squared_error": lambda z, y: 0.5 * torch.nn.functional.mse_loss(z, y),
                "poisson": torch.nn.functional.poisson_nll_loss,
            }[objective.loss]

    def run(self, n_iter):
        n_samples, n_features = self.X.shape
        self.layer = torch.nn.Linear(n_features, self.outputs, dtype=self.X.dtype)
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.bias.zero_()
        groups = [
            {"params": [self.layer.weight], "weight_decay": self.objective.l2},
            {"params": [self.layer.bias]},
        ]
        rule = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[self.rule]
        optimizer = rule(groups, lr=self.steps.eta0, fused=True)
        generator = torch.Generator().manual_seed(0)
        size = self.steps.batch_size
        for _ in range(n_iter):
            order = torch.randperm(n_samples, generator=generator)
            for start in range(0, n_samples, size):
                rows = order[start : start + size]
                optimizer.zero_grad(set_to_none=True)
                z = self.layer(self.X.index_select(0, rows))
                self.loss(z, self.y.index_select(0, rows)).backward()
                optimizer.step()

    def get_result(self):
        weight, bias = self.layer.weight.detach(), self.layer.bias.detach()
        return weight.double().numpy(), bias.double().numpy()


SOLVERS = [Loop("adam"), Loop("sgd")]
