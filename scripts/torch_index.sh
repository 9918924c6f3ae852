# torch_index.sh is sourced by scripts that install torch.

# pytorch_answers INDEX: whether PyTorch's own index can be reached. In other indices "torch" may be a CUDA build of
# several GB.
pytorch_answers() { curl -fsI --max-time 10 "$1/torch/" >/dev/null 2>&1; }
