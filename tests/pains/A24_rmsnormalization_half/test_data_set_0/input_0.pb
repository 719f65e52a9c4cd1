
BxJ`¶ЩєQ>OHZ"YbZРPµY,YEУRRСE¦ФNU3П‚НYЪоOЮЪ•Ь¦XЅЦВР–Ы{ХоЙCTжZ!ЩзЦУiЬ-T[·[GћЦBУРФмШZ‡[БЩ†WIЫpЬY