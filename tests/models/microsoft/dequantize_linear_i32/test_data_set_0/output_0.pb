By0J<á:,CáºÃ®GlÂ=
ŒB\MÂáz(CBVÃÌLùÂ)ÜèB
@ÃeŽCR¸"B…ÂÂ®GfB™™ÏÁ