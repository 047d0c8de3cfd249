using System.Runtime.CompilerServices;

// The Skia decoder shares the header readers, the EXIF reader and the orientation transform; none of them is for hosts.
[assembly: InternalsVisibleTo("PixioCuda.Skia")]
