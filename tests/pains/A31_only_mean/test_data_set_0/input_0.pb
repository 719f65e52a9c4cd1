BaJ<aqˆD÷lwD—ÉmDòš‡DØ]kDDÝ„DÓÇbD‹ÿjD9zaDVð€DÈ
iD¦tD°SbDtgDDãuD