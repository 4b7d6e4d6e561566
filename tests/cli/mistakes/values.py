"""Mistakes in numbers, names and keys."""

from tests.cli.mistakes.row import Row, row

SYNTHETIC_SOURCE = "inbetween.data.SyntheticAnimation"
# key and value of `fit`, and what the sentence names
FIT = [
    ("data.between", "0", "between is 0"),
    ("data.between", "-1", "between is -1"),
    ("data.between", "2.5", "data.between is 2.5"),
    ("data.between", "nan", "data.between is"),
    ("data.between", "1000000000", "between is 1000000000"),
    ("data.gaps", "[0]", "gaps is [0]"),
    ("data.gaps", "[]", "gaps is []"),
    ("data.stride", "0", "stride is 0"),
    ("data.size", "0", "size is [0, 0]"),
    ("data.size", "-5", "size is"),
    ("data.size", "100000", "size is"),
    ("data.size", "[1,2,3]", "data.size"),
    ("data.size", "nan", "data.size"),
    ("data.fit", "stretch", "data.fit"),
    ("data.background", "[0,0,256]", "background is"),
    ("data.batch_size", "0", "batch_size is 0"),
    ("data.batch_size", "-3", "batch_size is -3"),
    ("data.batch_size", "1.5", "data.batch_size is 1.5"),
    ("data.val_batch_size", "0", "val_batch_size is 0"),
    ("data.val_windows", "0", "val_windows is 0"),
    ("data.num_workers", "-1", "num_workers is -1"),
    ("data.test_split", "training", "data.test_split"),
    ("data.augment.crop", "0", "augment.crop is 0"),
    ("data.augment.flip", "nan", "flip of inbetween.data.Augment is nan, expected a number"),
    ("data.augment.color", "2", "augment.color is 2"),
    ("data.source.init_args.motion", "0", "motion"),
    ("data.source.init_args.motion", "nan", "motion"),
    ("data.source.init_args.length", "{train: 0}", "length"),
    ("data.source.init_args.length", "{training: 3}", "length"),
    ("data.source.init_args.kinds", "[oil]", "kinds"),
    ("data.seed", "x", "data.seed"),
    ("seed_everything", "-1", "seed_everything"),
    ("seed_everything", "99999999999", "seed_everything"),
    ("model.init_args.width", "-2", "negative dimension"),
    ("model.init_args.width", "2.5", "width"),
    ("model.init_args.sampled_batches", "-1", "sampled_batches"),
    ("model.init_args.warmup_steps", "-1", "warmup_steps"),
    ("model.init_args.schedule", "linear", "schedule"),
    ("model.init_args.optimizer", "torch.optim.Nope", "Nope"),
    ("model.init_args.optimizer", "torch.nn.Linear", "torch.nn.Linear is no Optimizer"),
    ("trainer.max_steps", "-5", "max_steps"),
    ("trainer.max_steps", "2.5", "trainer.max_steps"),
    ("trainer.max_epochs", "-5", "max_epochs"),
    ("trainer.max_time", "soon", "max_time"),
    ("trainer.val_check_interval", "1.0", "trainer.val_check_interval"),
    ("trainer.val_check_interval", "1.5", "trainer.val_check_interval"),
    ("trainer.val_check_interval", "-1", "trainer.val_check_interval"),
    ("trainer.val_check_interval", "0", "trainer.val_check_interval"),
    ("trainer.val_check_interval", "nan", "trainer.val_check_interval"),
    ("trainer.check_val_every_n_epoch", "0", "trainer.check_val_every_n_epoch"),
    ("trainer.limit_train_batches", "1.5", "trainer.limit_train_batches"),
    ("trainer.limit_train_batches", "-1", "trainer.limit_train_batches"),
    ("trainer.limit_train_batches", "nan", "trainer.limit_train_batches"),
    ("trainer.limit_val_batches", "2.5", "trainer.limit_val_batches"),
    ("trainer.overfit_batches", "2.5", "trainer.overfit_batches"),
    ("trainer.accumulate_grad_batches", "0", "trainer.accumulate_grad_batches"),
    ("trainer.accumulate_grad_batches", "-2", "trainer.accumulate_grad_batches"),
    ("trainer.gradient_clip_val", "nan", "trainer.gradient_clip_val"),
    ("trainer.gradient_clip_val", "-1", "trainer.gradient_clip_val"),
    ("trainer.gradient_clip_algorithm", "both", "trainer.gradient_clip_algorithm"),
    ("trainer.num_sanity_val_steps", "-7", "trainer.num_sanity_val_steps"),
    ("trainer.log_every_n_steps", "-1", "trainer.log_every_n_steps"),
    ("trainer.reload_dataloaders_every_n_epochs", "-1", "trainer.reload_dataloaders_every_n_epochs"),
    ("trainer.fast_dev_run", "-1", "trainer.fast_dev_run"),
    ("trainer.accelerator", "gpu", "trainer.accelerator"),
    ("trainer.accelerator", "cuda", "trainer.accelerator"),
    ("trainer.accelerator", "mps", "trainer.accelerator"),
    ("trainer.accelerator", "toaster", "trainer.accelerator"),
    ("trainer.devices", "0", "trainer.devices"),
    ("trainer.devices", "-1", "trainer.devices"),
    ("trainer.devices", "two", "trainer.devices"),
    ("trainer.devices", "[]", "trainer.devices"),
    ("trainer.devices", "[0,1]", "trainer.devices"),
    ("trainer.devices", "1.5", "trainer.devices"),
    ("trainer.num_nodes", "0", "trainer.num_nodes"),
    ("trainer.strategy", "magic", "trainer.strategy"),
    ("trainer.strategy", "deepspeed", "trainer.strategy"),
    ("trainer.strategy", "fsdp", "trainer.strategy"),
    ("trainer.precision", "8", "trainer.precision"),
    ("trainer.precision", "16-mixed-ish", "trainer.precision"),
    ("trainer.profiler", "magic", "trainer.profiler"),
    ("trainer.profiler", "lightning.pytorch.profilers.XLAProfiler", "XLAProfiler"),
    ("trainer.logger", "lightning.pytorch.loggers.WandbLogger", "WandbLogger"),
    ("trainer.logger", "lightning.pytorch.loggers.MLFlowLogger", "MLFlowLogger"),
    ("trainer.logger", "lightning.pytorch.loggers.CometLogger", "CometLogger"),
    ("trainer.logger", "lightning.pytorch.loggers.NeptuneLogger", "NeptuneLogger"),
    ("trainer.logger", "lightning.pytorch.loggers.NopeLogger", "NopeLogger"),
    ("trainer.callbacks+", "lightning.pytorch.callbacks.RichProgressBar", "RichProgressBar"),
    ("trainer.callbacks+", "lightning.pytorch.callbacks.EarlyStopping", "monitor"),
    ("trainer.callbacks+", "inbetween.callbacks.LearnedWeights", "LearnedWeights"),
    ("trainer.callbacks+", "inbetween.callbacks.PretrainedWriter", "folder"),
    ("trainer.benchmark", "maybe", "trainer.benchmark"),
    ("trainer.plugins", "magic", "trainer.plugins"),
    ("ckpt_path", "best", "ckpt_path is best"),
    ("ckpt_path", "hpc", "hpc"),
    ("ckpt_path", "registry", "registry"),
    ("ckpt_path", "registry:nope", "registry:nope"),
    ("nonsense", "3", "There is no key --nonsense"),
]
INTERPOLATE = [
    ("between", "0", "between is 0"),
    ("between", "-1", "between is -1"),
    ("between", "1.5", "between is 1.5"),
    ("between", "1000000000000", "between is 1000000000000"),
    ("hold", "0", "hold is 0"),
    ("hold", "1000000000", "hold is 1000000000"),
    ("candidates", "0", "candidates is 0"),
    ("candidates", "2", "has one candidate only"),
    ("spacing", "fast", "spacing"),
    ("spacing", "3", "spacing"),
    ("t", "nan", "t is nan"),
    ("t", "0", "t is 0"),
    ("t", "1.5", "t is 1.5"),
    ("t", "half", "t"),
    ("cuts", "maybe", "cuts"),
    ("seed", "x", "seed"),
    ("precision", "64-true", "precision"),
    ("accelerator", "gpu", "accelerator gpu"),
    ("accelerator", "toaster", "accelerator toaster"),
    ("method", "nowhere.yaml", "There is no config file nowhere.yaml"),
    ("method", "data/synthetic.yaml", "has no `model`"),
    ("method", "exp1.yaml=nowhere.ckpt", "There is no checkpoint nowhere.ckpt"),
    ("method", "exp1.yaml=spacing_flow/weights.safetensors", "is a checkpoint of SpacingFlow"),
    ("overwrite", "maybe", "overwrite"),
    ("nonsense", "3", "There is no key --nonsense"),
]
COMPARE = [
    ("spacings", "2", "spacings is 2"),
    ("spacings", "1000000000", "spacings is 1000000000"),
    ("cycle", "maybe", "cycle"),
    ("reference", "nobody", "reference is nobody: give one of the methods, repeat, cross_fade"),
    ("split", "training", "split"),
    ("image_windows", "-1", "image_windows is -1"),
    ("image_windows", "1.5", "image_windows is 1.5"),
    ("report_windows", "-1", "report_windows is -1"),
    ("precision", "8", "precision"),
    ("accelerator", "gpu", "accelerator gpu"),
    ("accelerator", "toaster", "accelerator toaster"),
    ("data.between", "0", "between is 0"),
    ("data.size", "0", "size is"),
    ("data.batch_size", "0", "batch_size is 0"),
    ("methods", "nowhere.yaml", "There is no config file nowhere.yaml"),
    ("data.source", "inbetween.data.Nope", "no class Nope"),
]
BENCHMARK = [
    ("repeats", "0", "repeats is 0"),
    ("repeats", "-1", "repeats is -1"),
    ("repeats", "many", "repeats is many"),
    ("sizes", "0x32:1", "sizes has 0x32:1"),
    ("sizes", "32", "sizes has 32"),
    ("sizes", "99999x32:1", "99999"),
    ("batch_size", "0", "batch_size is 0"),
    ("batch_size", "-1", "batch_size is -1"),
    ("origin", "maybe", "origin"),
    ("accelerator", "gpu", "accelerator gpu"),
    ("precision", "8", "precision"),
    ("methods", "nowhere.yaml", "There is no config file nowhere.yaml"),
]


def rows() -> list[Row]:
    """All of them."""
    found = [
        row(f"{kind}_{key}_{value}", lambda p, m=make, k=key, v=value: getattr(p, m)(f"--{k}", v), says)
        for kind, make, table in (
            ("fit", "fit", FIT),
            ("interpolate", "interpolate", INTERPOLATE),
            ("compare", "compare", COMPARE),
            ("benchmark", "benchmark", BENCHMARK),
        )
        for key, value, says in table
    ]
    found += [
        row(
            "lr_negative", lambda p: p.fit(model=optimizer(lr=-1.0)), "model.optimizer", "learning rate: -1.0"
        ),
        row("lr_nan", lambda p: p.fit(model=optimizer(lr=float("nan"))), "learning rate: nan"),
        row("betas_out_of_range", lambda p: p.fit(model=optimizer(betas=[2.0, 0.9])), "beta"),
        row(
            "lr_is_a_word",
            lambda p: p.fit(model=optimizer(lr="small")),
            "optimizer.lr of",
            "is small, expected float",
        ),
        row(
            "ema_decay",
            lambda p: p.fit(
                "--trainer.callbacks+",
                "inbetween.callbacks.EMA",
                "--trainer.callbacks.init_args.decay",
                "1.5",
            ),
            "decay is 1.5",
        ),
        row(
            "cosine_without_an_end",
            lambda p: p.fit("--trainer.max_steps", "-1", "--trainer.max_epochs", "-1"),
            "cosine",
        ),
        row("no_such_command", lambda p: ["train"], "There is no command train"),
        row("a_file_as_command", lambda p: [p.blend], "There is no command"),
        row("nothing_to_train", lambda p: ["fit", "--config", "repeat.yaml"], "Repeat has nothing to train"),
        row("no_config", lambda p: ["fit"], "Required keys are missing"),
        row("validate_without_config", lambda p: ["validate"], "Required keys are missing"),
        row("compare_without_data", lambda p: ["compare"], "Required keys are missing: data"),
        row("benchmark_of_nothing", lambda p: ["benchmark"], "There is nothing to measure"),
        row("fetch_nothing", lambda p: ["fetch-weights"], "There is nothing to fetch: give lpips"),
        row("fetch_something_else", lambda p: ["fetch-weights", "alexnet"], "invalid choice: 'alexnet'"),
        row(
            "fetch_weights_with_a_key", lambda p: ["fetch-weights", "rife", "--a", "1"], "There is no key --a"
        ),
        row("a_word_too_many", lambda p: p.fit("now"), "now"),
        row("a_key_without_a_value", lambda p: p.fit("--data.between"), "data.between"),
        row("between_and_t", lambda p: p.interpolate("--between", "2", "--t", "0.5"), "leave out between"),
        row("t_falls", lambda p: p.interpolate("--t", "0.5", "0.25"), "rising numbers"),
        row(
            "halves_of_halves",
            lambda p: p.interpolate("--spacing", "halves", "--between", "99"),
            "leaves no room",
        ),
        row(
            "review_thresholds",
            lambda p: p.interpolate(
                "--method",
                p.overlay(
                    {
                        "model": {
                            "class_path": "inbetween.methods.SpacingFlow",
                            "init_args": {"review_thresholds": [2.0, 1.0]},
                        }
                    }
                ),
            ),
            "review_thresholds",
        ),
        *(
            row(f"spacing_flow_{key}", lambda p, k=key: p.fit(model=spacing_flow(k)), f"{key} is -1")
            for key in ("crop", "flow_resolution", "flow_weight", "prior_dropout", "perceptual_weight")
        ),
        row(
            "lora_rank",
            lambda p: ["validate", "--config", "exp1.yaml", "--model.init_args.lora_rank", "0"],
            "lora_rank is 0",
        ),
        row(
            "sample_grid",
            lambda p: p.fit(trainer={"callbacks": [GRID]}),
            "every_n_epochs is 0",
        ),
        row("interpolate_cuda", lambda p: p.interpolate("--accelerator", "cuda"), "accelerator cuda"),
        row("compare_mps", lambda p: p.compare("--accelerator", "mps"), "accelerator mps"),
        row(
            "sampling_strength",
            lambda p: ["validate", "--config", "exp1.yaml", "--model.init_args.sampling.strength", "nan"],
            "sampling.strength of",
        ),
        row(
            "sampling_steps",
            lambda p: [
                "validate",
                "--config",
                "exp1.yaml",
                "--model.init_args.sampling.num_inference_steps",
                "0",
            ],
            "num_inference_steps is 0",
        ),
        row(
            "sampling_scheduler",
            lambda p: [
                "validate",
                "--config",
                "exp1.yaml",
                "--model.init_args.sampling.scheduler",
                "os.path",
            ],
            "os.path",
        ),
        row(
            "backbone_missing",
            lambda p: [
                "validate",
                "--config",
                "exp1.yaml",
                "--model.init_args.backbone.init_args.pretrained",
                p.folder,
            ],
            "vae cannot be loaded",
        ),
    ]
    return found


GRID = {"class_path": "inbetween.callbacks.SampleGrid", "init_args": {"every_n_epochs": 0}}


def spacing_flow(key: str) -> dict[str, object]:
    """The method that ships, with a key out of range."""
    return {"class_path": "inbetween.methods.SpacingFlow", "init_args": {key: -1}}


def optimizer(**init_args: object) -> dict[str, object]:
    """The model's optimiser with these arguments."""
    return {"init_args": {"optimizer": {"class_path": "torch.optim.AdamW", "init_args": init_args}}}
