"""The 38 special tokens of StarCoder2, in the order that gives them ids 0 to 37.

34 sentinels of the paper's Table 5 and the 4 placeholders of the redaction. A sentinel says where a document,
file, cell or hunk begins, so user text must never become one. A placeholder only stands for a removed value:
it carries no structure, and text that holds it may become the token.
"""

END_OF_TEXT = "<|endoftext|>"
FIM_PREFIX = "<fim_prefix>"
FIM_MIDDLE = "<fim_middle>"
FIM_SUFFIX = "<fim_suffix>"
FIM_PAD = "<fim_pad>"
REPO_NAME = "<repo_name>"
FILE_SEPARATOR = "<file_sep>"

# docs: start-special-tokens
SENTINELS = (
    END_OF_TEXT,
    *(FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX, FIM_PAD),
    *(REPO_NAME, FILE_SEPARATOR),
    *("<issue_start>", "<issue_comment>", "<issue_closed>"),
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<jupyter_script>"),
    "<empty_output>",
    *("<code_to_intermediate>", "<intermediate_to_code>"),
    *("<pr>", "<pr_status>", "<pr_is_merged>", "<pr_base>", "<pr_file>", "<pr_base_code>"),
    *("<pr_diff>", "<pr_diff_hunk>", "<pr_comment>", "<pr_event_id>"),
    *("<pr_review>", "<pr_review_state>", "<pr_review_comment>"),
    *("<pr_in_reply_to_review_id>", "<pr_in_reply_to_comment_id>", "<pr_diff_hunk_comment_line>"),
)
PLACEHOLDERS = ("<NAME>", "<EMAIL>", "<KEY>", "<PASSWORD>")
SPECIAL_TOKENS = SENTINELS + PLACEHOLDERS
# docs: end-special-tokens

TOKEN_IDS = {token: index for index, token in enumerate(SPECIAL_TOKENS)}
